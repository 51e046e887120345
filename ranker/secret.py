"""Passwords and tokens, taken out of what people and machines read."""

import re

_SECRETS = re.compile(
    r"(?P<token>frt_[0-9a-f]{12}_)[A-Za-z0-9_-]+"
    r"|(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@\"']*):[^\s/\"']*@",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text without the secrets of tokens and the passwords of addresses.

    >>> masked("redis://ana:s3c:r@t@db:6379/0 and frt_0123456789ab_AbC-_9")
    'redis://ana:***@db:6379/0 and frt_0123456789ab_***'
    """
    return _SECRETS.sub(_without, text) if "://" in text or "frt_" in text else text


def _without(found: re.Match[str]) -> str:
    if token := found["token"]:
        return f"{token}***"
    return f"{found['scheme']}{found['user']}:***@"
