"""What a frontend sends about workspaces and their people."""

from tests.integration.api.accounts import ERRORS

WORKSPACE = "workspace { id name slug plan owner { id } }"
CREATE_WORKSPACE = f"mutation($name: String!) {{ createWorkspace(name: $name) {{ {WORKSPACE} {ERRORS} }} }}"
UPDATE_WORKSPACE = f"mutation($name: String!) {{ updateWorkspace(name: $name) {{ {WORKSPACE} {ERRORS} }} }}"
INVITE = f"""mutation($email: String!, $role: Role!) {{ inviteMember(input: {{email: $email, role: $role}}) {{
  token invitation {{ id email role createdAt expiresAt }} {ERRORS} }} }}"""
CANCEL_INVITATION = f"mutation($id: ID!) {{ cancelInvitation(id: $id) {{ invitation {{ id }} {ERRORS} }} }}"
ACCEPT = f"mutation($key: String!) {{ acceptInvitation(token: $key) {{ {WORKSPACE} {ERRORS} }} }}"
CHANGE_ROLE = f"""mutation($id: ID!, $role: Role!) {{ changeMemberRole(userId: $id, role: $role) {{
  member {{ role user {{ id }} }} {ERRORS} }} }}"""
REMOVE = f"mutation($id: ID!) {{ removeMember(userId: $id) {{ {ERRORS} }} }}"
LEAVE = f"mutation {{ leaveWorkspace {{ {ERRORS} }} }}"
TRANSFER = f"mutation($id: ID!) {{ transferOwnership(userId: $id) {{ {WORKSPACE} {ERRORS} }} }}"
MEMBERS = "{ members { nodes { role joinedAt user { id email } } } workspace { owner { id } } }"
INVITATIONS = """query($first: Int, $after: String) { invitations(first: $first, after: $after) {
  nodes { id email role } pageInfo { endCursor } } }"""
VIEWER = "{ viewer { role permissions user { id } workspace { id } workspaces { id owner { id } } } }"
