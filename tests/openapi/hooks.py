"""What schemathesis has to know of the agent: names that exist, and that some answers do not end by themselves."""

import zlib

import schemathesis

SNAPS = ["openapi-app", "pi", "bare", "system"]
NAMES = {
    "/v2/hardware/lines/{name}": ["GPIO17", "GPIO27"],
    "/v2/hardware/sim/lines/{name}": ["GPIO17", "GPIO22"],
    "/v2/hardware/leds/{name}": ["ACT", "USER"],
    "/v2/changes/{id}": ["1", "2", "3"],
    "/v2/notices/{id}": ["1", "2"],
}


@schemathesis.hook
def before_call(context, case, kwargs):
    # Two of three names are of something that is there.
    names = NAMES.get(case.path, SNAPS)
    for key, given in (case.path_parameters or {}).items():
        number = zlib.crc32(str(given).encode())
        if number % 3:
            case.path_parameters[key] = names[number % len(names)]
    if isinstance(case.query, dict):
        # With these the answer comes when something happens.
        if case.path == "/v2/logs":
            case.query.pop("follow", None)
        if case.path == "/v2/notices" and "timeout" in case.query and "s" in str(case.query["timeout"]):
            case.query["timeout"] = "10ms"
