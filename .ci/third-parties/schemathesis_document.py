"""What the document says in words, because OpenAPI 3.0 has no keyword for it.

A request that breaks one of these rules is a 400, and without them schemathesis could not know that it should be.
"""

import schemathesis


@schemathesis.hook
def before_load_schema(context, document):
    schemas = document["components"]["schemas"]
    env = schemas["ExecuteCommandRequest"]["properties"]["env"]
    env["patternProperties"] = {"^(?!SANDBOX_AGENT_)[A-Za-z_][A-Za-z0-9_]*$": env["additionalProperties"]}
    env["additionalProperties"] = False
    session = schemas["CreateSessionRequest"]["properties"]
    # Which images there are depends on the server; this one has its default, under the name of the document's example.
    session["image"]["enum"] = [session["image"]["example"], None]
    session["sshPublicKey"]["enum"] = [session["sshPublicKey"]["example"], None]


@schemathesis.hook
def filter_case(context, case):
    query = case.query if isinstance(case.query, dict) else {}
    paths = [query.get(name) for name in ("path", "filePath")]
    if not all(names_a_file(path) for path in paths if isinstance(path, str)):
        return False
    is_form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    return not is_form or all(is_header_text(name) for name in case.body)


def names_a_file(path):
    """No file system has a name of more than 255 bytes."""
    parts = path.split("/")
    return parts[-1] not in ("", ".", "..") and all(len(part.encode(errors="replace")) <= 255 for part in parts)


def is_header_text(name):
    """The name of a form's part is in a header, and schemathesis writes it there as it is."""
    return all(character.isprintable() for character in name)
