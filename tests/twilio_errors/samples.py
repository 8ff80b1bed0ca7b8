"""What Twilio says in each form of its errors, for the tests: by the name of the form and its code."""

ASSERTIONS = "Authorization Error: actor doesn't have any assertions"
MISSING = "Authorization Error: required permission twilio/iam/api-keys/create is missing"

# code, name of the form, HTTP status, message
SAMPLES = [
    (70001, "limits", 400, "The request has constraint violations"),
    (70002, "no_such_permission", 400, "assertion '/twilio/usage/nothing/read' is invalid"),
    (70002, "bad_sid", 400, "Invalid Sid provided in the request"),
    (70002, "unreadable", 400, "Bad request"),
    (70051, "no_assertions", 401, ASSERTIONS),
    (70051, "permission_missing", 401, MISSING),
    (70051, "not_authorized", 401, "Authorization Failed"),
    (8001, "no_assertions", 401, ASSERTIONS),
    (8001, "not_authorized", 401, "Authorization Error"),
    (8021, "no_assertions", 401, ASSERTIONS),
    (8021, "permission_missing", 401, MISSING),
    (70151, "too_many_keys", 400, "Maximum Number Of API Keys Exceeded"),
    (70152, "greater_permissions", 403, "Request Contains Invalid Flags"),
    (20001, "parameter", 400, "Parameter AccountSid is required"),
    (20003, "authenticate", 401, "Authenticate"),
    (20003, "policy_evaluation", 401, "Policy evaluation failed"),
    (20003, "policy_evaluation", 403, "Policy evaluation failed"),
    (20003, "compliance", 401, "The primary compliance profile of this account is not approved"),
    (20003, "region", 401, "The key belongs to another Twilio region"),
    (20003, "authenticate", 401, "Permission Denied"),
    (20101, "bad_token", 401, "Invalid Access Token"),
    (20151, "token_refused", 401, "The Authentication with the provided JWT failed"),
    (20404, "key_not_found", 404, "The requested resource /v1/Keys/SK" + "0" * 32 + " was not found"),
    (20404, "not_found", 404, "The requested resource /v1/Keys was not found"),
    (20429, "too_many_requests", 429, "Too Many Requests"),
    (31202, "token_signature", 401, "JWT signature validation failed"),
]
