"""Passwords and tokens, taken out of what people and machines read."""

import re

_SECRETS = re.compile(
    r"(?P<token>frt_[0-9a-f]{12}_)[A-Za-z0-9_-]+"
    r"|(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@\"']*):[^\s/\"']*@"
    r"|(?P<query>[?&]password=)[^\s&\"']+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text without the secrets of tokens and the passwords of addresses.

    >>> masked("redis://ana:s3c:r@t@db:6379/0 and frt_0123456789ab_AbC-_9")
    'redis://ana:***@db:6379/0 and frt_0123456789ab_***'
    >>> masked("unix:///run/valkey.sock?password=s3cret&db=2")
    'unix:///run/valkey.sock?password=***&db=2'
    """
    return _SECRETS.sub(_without, text) if "://" in text or "frt_" in text else text


def _without(found: re.Match[str]) -> str:
    if named := found["token"] or found["query"]:
        return f"{named}***"
    return f"{found['scheme']}{found['user']}:***@"
