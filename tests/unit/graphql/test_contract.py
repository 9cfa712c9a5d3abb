"""The names that partners build on. A change here breaks somebody: fields are added, never changed or removed."""

from collections.abc import Mapping

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    print_ast,
)
from graphql.type import GraphQLInputField

from app.graphql.schema import schema

FIELDS = """
Node id:ID!
PageInfo hasNextPage:Boolean! hasPreviousPage:Boolean! startCursor:String endCursor:String
UserError message:String! code:ErrorCode! path:[String!]
Task id:ID! type:String! status:TaskStatus! input:JSON! output:JSON worker:Worker template:TemplateVersion
  createdBy:User cost:Float! costMicros:BigInt! reservedMicros:BigInt! complexity:TaskComplexity!
  costSensitive:Boolean! priority:Int! progress:Float partialOutput:String queuePosition:Int
  estimatedStartAt:DateTime error:TaskError wait:TaskWait routing:RoutingDecision attemptCount:Int!
  attempts:TaskAttemptConnection! events:TaskEventConnection! metadata:JSON! tags:[String!]! version:Int!
  createdAt:DateTime! runAt:DateTime startedAt:DateTime finishedAt:DateTime cancelRequestedAt:DateTime
TaskError code:String! message:String! retryable:Boolean!
TaskAttempt number:Int! worker:Worker provider:String model:String status:TaskStatus! error:TaskError
  inputTokens:Int outputTokens:Int costMicros:BigInt! startedAt:DateTime! finishedAt:DateTime
TaskWait id:ID! reason:TaskWaitReason! deadline:DateTime onTimeout:TimeoutPolicy!
TaskConnection edges:[TaskEdge!]! nodes:[Task!]! pageInfo:PageInfo! totalCount:Int!
TaskEdge cursor:String! node:Task!
TaskFilter statuses:[TaskStatus!] types:[String!] workerId:ID templateId:ID tags:[String!] createdAfter:DateTime
  createdBefore:DateTime search:String inputContains:JSON
CreateTaskInput type:String! input:JSON! templateId:ID workerId:ID complexity:TaskComplexity costSensitive:Boolean
  priority:Int maxCost:Float runAt:DateTime expiresAt:DateTime maxAttempts:Int metadata:JSON tags:[String!]
CreateTaskPayload task:Task errors:[UserError!]! replayed:Boolean!
CreateTasksPayload results:[CreateTaskPayload!]! errors:[UserError!]!
TaskPayload task:Task errors:[UserError!]!
TaskEvent cursor:String! seq:Int! kind:TaskEventKind! at:DateTime! task:Task! data:JSON gap:Boolean!
TaskOutputChunk attempt:Int! offset:Int! text:String! reset:Boolean! done:Boolean!
Worker id:ID! name:String! kind:WorkerKind! provider:String model:String capabilities:[String!]! skills:[String!]!
  enabled:Boolean! createdAt:DateTime!
Template id:ID! slug:String! name:String! category:String! description:String config:JSON! isPublic:Boolean!
  creator:User latestVersion:TemplateVersion! createdAt:DateTime!
TemplateVersion id:ID! number:Int! template:Template! inputSchema:JSON outputSchema:JSON prompt:String!
  createdAt:DateTime!
User id:ID! name:String! email:String
Viewer user:User apiKey:ApiKey workspace:Workspace role:Role workspaces:[Workspace!]! permissions:[String!]!
Workspace id:ID! name:String! slug:String! plan:String! owner:User! credits:Float! creditsMicros:BigInt!
  reservedMicros:BigInt! createdAt:DateTime!
ApiKey id:ID! name:String! prefix:String! scopes:[String!]! lastUsedAt:DateTime revokedAt:DateTime
AuthPayload accessToken:String refreshToken:String expiresAt:DateTime user:User workspace:Workspace
  mfaChallenge:String errors:[UserError!]!
RoutingDecision provider:String! model:String! tier:String! reasons:[String!]! fallbacks:[String!]!
Quote estimatedMicros:BigInt! ceilingMicros:BigInt! routing:RoutingDecision! errors:[UserError!]!
LedgerEntry id:ID! kind:LedgerKind! amountMicros:BigInt! balanceAfterMicros:BigInt! task:Task createdAt:DateTime!
Query node:Node nodes:[Node]! viewer:Viewer workspace:Workspace task:Task tasks:TaskConnection!
  workers:WorkerConnection! templates:TemplateConnection! ledger:LedgerEntryConnection! quoteTask:Quote!
  explainRouting:RoutingDecision! serverInfo:ServerInfo!
Mutation signUp:AuthPayload! signIn:AuthPayload! createTask:CreateTaskPayload! createTasks:CreateTasksPayload!
  cancelTask:TaskPayload! retryTask:TaskPayload! createWorker:WorkerPayload! createTemplate:TemplatePayload!
Subscription taskEvents:TaskEvent! taskOutput:TaskOutputChunk!
"""
ARGUMENTS = """
Task.attempts first:Int after:String
Task.events first:Int after:String
Query.node id:ID!
Query.nodes ids:[ID!]!
Query.task id:ID!
Query.tasks first:Int after:String last:Int before:String filter:TaskFilter
Query.workers first:Int after:String
Query.ledger first:Int after:String
Query.quoteTask input:CreateTaskInput!
Query.explainRouting input:CreateTaskInput!
Query.templates first:Int after:String search:String category:String
Mutation.signUp input:SignUpInput!
Mutation.signIn input:SignInInput!
Mutation.createTask input:CreateTaskInput! idempotencyKey:String
Mutation.createTasks inputs:[CreateTaskInput!]! idempotencyKey:String
Mutation.cancelTask id:ID! reason:String
Mutation.retryTask id:ID!
Mutation.createWorker input:CreateWorkerInput!
Mutation.createTemplate input:CreateTemplateInput!
Subscription.taskEvents taskId:ID filter:TaskFilter after:String
Subscription.taskOutput taskId:ID! fromOffset:Int
"""
ENUMS = """
ErrorCode INVALID_INPUT NOT_FOUND FORBIDDEN CONFLICT INVALID_STATE INSUFFICIENT_CREDITS BUDGET_EXCEEDED
  LIMIT_EXCEEDED IDEMPOTENCY_KEY_MISMATCH IDEMPOTENCY_IN_PROGRESS INVALID_CREDENTIALS MFA_REQUIRED
  PROVIDER_UNAVAILABLE
TaskStatus SCHEDULED QUEUED RUNNING WAITING SUCCEEDED FAILED CANCELED EXPIRED
TaskComplexity LOW NORMAL HIGH
TaskWaitReason HUMAN_WORK APPROVAL EXTERNAL_EVENT CREDITS
TimeoutPolicy FAIL CANCEL USE_DEFAULT ESCALATE
TaskEventKind SNAPSHOT CREATED QUEUED STARTED PROGRESS RETRY_SCHEDULED WAITING RESUMED SUCCEEDED FAILED
  CANCEL_REQUESTED CANCELED EXPIRED
WorkerKind AI HUMAN EXTERNAL
Role OWNER ADMIN MEMBER VIEWER
LedgerKind GRANT PURCHASE RESERVE SETTLE RELEASE REFUND ADJUSTMENT AUTHOR_SHARE
"""
NODES = {"ApiKey", "Budget", "LedgerEntry", "Task", "Template", "TemplateVersion", "User", "Worker", "Workspace"}
DEFAULTS = {"complexity": "NORMAL", "costSensitive": "false", "priority": "5"}

built = build_schema(schema.as_str())


def entries(table: str) -> list[tuple[str, list[str]]]:
    """The first word of each line that is not indented, and the words up to the next."""
    found: list[tuple[str, list[str]]] = []
    for line in table.strip().splitlines():
        words = line.split()
        if line.startswith(" "):
            found[-1][1].extend(words)
        else:
            found.append((words[0], words[1:]))
    return found


def types_of(members: Mapping[str, GraphQLInputField | GraphQLArgument]) -> dict[str, str]:
    return {name: str(member.type) for name, member in members.items()}


def pairs(words: list[str]) -> dict[str, str]:
    return dict(word.split(":", 1) for word in words)


@pytest.mark.parametrize(("name", "wanted"), entries(FIELDS))
def test_type_has_the_fields_of_the_contract(name: str, wanted: list[str]) -> None:
    type_ = built.type_map[name]
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType)
    present = {field: str(definition.type) for field, definition in type_.fields.items()}

    assert {field: present.get(field) for field in pairs(wanted)} == pairs(wanted)


@pytest.mark.parametrize(("place", "wanted"), entries(ARGUMENTS))
def test_field_has_the_arguments_of_the_contract_and_requires_no_other(place: str, wanted: list[str]) -> None:
    name, _, field = place.partition(".")
    type_ = built.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    present = types_of(type_.fields[field].args)

    assert {argument: present.get(argument) for argument in pairs(wanted)} == pairs(wanted)
    assert [argument for argument in present.keys() - pairs(wanted) if present[argument].endswith("!")] == []


@pytest.mark.parametrize(("name", "wanted"), entries(ENUMS))
def test_enum_has_the_values_of_the_contract(name: str, wanted: list[str]) -> None:
    type_ = built.type_map[name]

    assert isinstance(type_, GraphQLEnumType)
    assert list(type_.values) == wanted


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("CreateTaskInput", {"type", "input"}),
        ("TaskFilter", set()),
        ("SignUpInput", {"email", "password", "name"}),
        ("SignInInput", set()),
        ("CreateWorkerInput", {"name", "kind"}),
        ("CreateTemplateInput", {"slug", "name", "prompt"}),
    ],
)
def test_input_requires_nothing_else(name: str, required: set[str]) -> None:
    type_ = built.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)

    always = {field for field, type_ in types_of(type_.fields).items() if type_.endswith("!")}
    defaulted = {field for field, definition in type_.fields.items() if definition.default is not None}

    assert always - defaulted == required


def default_of(member: GraphQLInputField | GraphQLArgument) -> str | None:
    """As it is written in the schema."""
    return print_ast(member.default.literal) if member.default is not None and member.default.literal else None


def test_defaults_are_those_of_the_contract() -> None:
    draft, subscription = built.type_map["CreateTaskInput"], built.subscription_type
    assert isinstance(draft, GraphQLInputObjectType)
    assert subscription is not None

    given = {name: default_of(draft.fields[name]) for name in DEFAULTS}

    assert given == DEFAULTS
    assert default_of(subscription.fields["taskOutput"].args["fromOffset"]) == "0"


def test_nodes_are_those_of_the_contract() -> None:
    node = built.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)

    assert {type_.name for type_ in built.get_possible_types(node)} == NODES


def test_json_scalars_are_there() -> None:
    assert {"DateTime", "JSON", "BigInt"} <= built.type_map.keys()
