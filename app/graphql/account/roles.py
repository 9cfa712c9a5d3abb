"""The roles as the schema shows them."""

from app.graphql.enums import described
from app.principal import Role

RoleType = described(
    Role,
    "What a member may do in a workspace.",
    {
        "OWNER": "Everything, including handing the workspace over.",
        "ADMIN": "Everything but ownership.",
        "MEMBER": "Create, cancel and retry tasks, and read everything.",
        "VIEWER": "Read everything, change nothing.",
    },
)
