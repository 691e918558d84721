"""Connects to Redis or Valkey by URL, with the timeouts that delivery rests on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from mamori.errors import MamoriError
from mamori.monitor.store.faults import StoreFault, fault_code
from mamori.monitor.store.scripts import StoreClient

_SCHEMES: Final = (
    "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, "
    "redis+cluster:// or rediss+cluster://"
)
# 7.0: scripts replicate their effects, so that the time and ids inside them are the primary's.
_OLDEST_VERSION: Final = (7, 0)


_SCHEME_NAMES: Final = frozenset(
    f"{scheme}{kind}" for scheme in ("redis", "rediss") for kind in ("", "+sentinel", "+cluster")
) | {"unix"}


class _UrlProblemError(ValueError):
    """What is wrong with an address, in words of our own that hold nothing of it."""


class StoreUrlError(MamoriError):
    """The address of the store cannot be used (``bad_store_url``); the text holds no password."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_store_url", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Timeouts of a client. The address is given to ``connect`` and kept nowhere else."""

    # A frozen server is given up after this. redis-py has the same default.
    socket_timeout_s: float = 5.0
    # A host that drops packets; a refused connection fails at once.
    connect_timeout_s: float = 2.0
    # An idle connection that a firewall has forgotten is noticed before it is used.
    health_check_interval_s: int = 15
    # How long a blocking read waits. At or above the socket timeout it would time out on the
    # client's side each time nothing happens (measured: an error after 60 s of silent retries).
    block_ms: int = 2_000

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("socket_timeout_s", self.socket_timeout_s, 0.05, 120),
            ("connect_timeout_s", self.connect_timeout_s, 0.05, 120),
            ("health_check_interval_s", self.health_check_interval_s, 0, 3_600),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value}")
        longest_ms = int(self.socket_timeout_s * 1000 * 0.8)
        if not 1 <= self.block_ms <= longest_ms:
            raise ValueError(
                f"block_ms must be in [1, {longest_ms}] (0.8 of socket_timeout_s), "
                f"not {self.block_ms}"
            )


def redacted(url: str) -> str:
    """The address without user, password and options, for messages and logs."""
    scheme, _, rest = url.partition("://")
    if not rest or scheme not in _SCHEME_NAMES:
        return "(not an address)"
    # The last @ first: a password that was not escaped may hold any other sign.
    place = rest.rpartition("@")[2]
    return f"{scheme}://{re.split('[?#]', place, maxsplit=1)[0]}"


def connect(url: str, config: ClientConfig | None = None) -> StoreClient:
    """A client for the store at ``url``; it connects when first used.

    ``redis://[user:password@]host[:port][/db]``, the same with ``rediss://`` (TLS, verified),
    ``unix:///path[?password=]``, ``redis+sentinel://[user:password@]host:port,host:port/service
    [?db=&sentinel_username=&sentinel_password=]`` and ``redis+cluster://[user:password@]host:port``
    (``rediss+`` for TLS); further options as redis-py names them. StoreUrlError for all else.

    Replies are text. The client does not repeat commands by itself: a repeated XADD would double
    its entry, and whoever calls knows better when to try again.
    """
    options = _options(config or ClientConfig())
    scheme, separator, rest = url.partition("://")
    try:
        if not separator or not rest:
            raise _UrlProblemError("it has no host")
        if scheme in ("redis", "rediss", "unix"):
            client = Redis.from_url(url, **_without_keepalive(scheme, options))
            # Options that do not exist show now, not at the first command.
            client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            return client
        if scheme in ("redis+sentinel", "rediss+sentinel"):
            return _sentinel(url, tls=scheme.startswith("rediss"), options=options)
        if scheme in ("redis+cluster", "rediss+cluster"):
            plain = f"{scheme.removesuffix('+cluster')}://{rest}"
            return RedisCluster.from_url(plain, **options)
    except _UrlProblemError as problem:
        raise StoreUrlError(f"the store's address {redacted(url)} is wrong: {problem}") from None
    except (ValueError, TypeError):
        # The library's own words may quote a password that was not escaped.
        raise StoreUrlError(
            f"the store's address {redacted(url)} cannot be read: check host, port and options, "
            "and write signs such as / # ? @ in a password as %2F %23 %3F %40"
        ) from None
    raise StoreUrlError(f"the store's address must begin with {_SCHEMES}")


def _options(config: ClientConfig) -> dict[str, Any]:
    return {
        "socket_timeout": config.socket_timeout_s,
        "socket_connect_timeout": config.connect_timeout_s,
        "health_check_interval": config.health_check_interval_s,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        # A broken character in a foreign entry must not end the reading of all others.
        "encoding_errors": "replace",
        # RESP2: the same shapes of replies from every version.
        "protocol": 2,
    }


def _without_keepalive(scheme: str, options: dict[str, Any]) -> dict[str, Any]:
    return options if scheme == "unix" else options | {"socket_keepalive": True}


class _SentinelClient(Redis):
    """Also closes the connections to the sentinels, which redis-py leaves open."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool = self.connection_pool
        if isinstance(pool, SentinelConnectionPool):
            for sentinel in pool.sentinel_manager.sentinels:
                await sentinel.aclose()


def _sentinel(url: str, *, tls: bool, options: dict[str, Any]) -> StoreClient:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service = unquote(parts.path.strip("/"))
    if not service or "/" in service:
        raise _UrlProblemError("the name of the service follows the sentinels: …host:port/service")
    query = dict(parse_qsl(parts.query))
    addresses = [_address(host) for host in hosts.split(",") if host]
    if not addresses:
        raise _UrlProblemError("it names no sentinel")
    to_sentinels = options | _named(query, "sentinel_")
    to_servers = (
        options
        | {"db": int(query.pop("db", "0"))}
        | {key: value for key, value in query.items() if not key.startswith("sentinel_")}
    )
    if credentials:
        user, _, password = credentials.rpartition(":") if ":" in credentials else ("", "", "")
        to_servers["username"] = unquote(user) or None
        to_servers["password"] = unquote(password) or None
    if tls:
        to_sentinels["ssl"] = to_servers["ssl"] = True
    # redis-py does not type this constructor.
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        addresses, sentinel_kwargs=to_sentinels, **to_servers
    )
    client: Redis = sentinel.master_for(service, redis_class=_SentinelClient)
    return client


def _named(query: dict[str, str], prefix: str) -> dict[str, str]:
    return {
        key.removeprefix(prefix): value for key, value in query.items() if key.startswith(prefix)
    }


def _address(host: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+))(?::(\d{1,5}))?", host)
    if match is None:
        raise _UrlProblemError("a sentinel is named host:port")
    # 26379 is the port that Sentinel listens on by default.
    return match.group(1) or match.group(2), int(match.group(3) or 26379)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWarning:
    """Something about the server that endangers delivery: a stable code, and what to do."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """What kind of server answers, and what is wrong with it."""

    product: str
    version: str
    warnings: tuple[StoreWarning, ...] = field(default=())


async def check(client: StoreClient) -> StoreCheck:
    """Ask the server for its version and its policy when memory is full.

    Raises what redis-py raises when the server cannot be reached or refuses the password; what it
    merely forbids to ask (an ACL, a managed service) is a warning.
    """
    await client.ping()
    warnings: list[StoreWarning] = []
    product, version = "unknown", "unknown"
    try:
        server = _one_node(await client.info("server"))
    except StoreFault as error:
        warnings.append(_forbidden("INFO", error))
    else:
        # Valkey gives the version of Redis that it is compatible with as redis_version.
        product = str(server.get("server_name", "redis"))
        version = str(server.get("valkey_version", server.get("redis_version", "unknown")))
        compatible = str(server.get("redis_version", "0"))
        if _numbers(compatible) < _OLDEST_VERSION:
            warnings.append(
                StoreWarning(
                    code="old_version",
                    message=f"the server is {product} {version}; Mamori needs Redis 7.0 or Valkey",
                )
            )
    try:
        policy = _one_node(await client.config_get("maxmemory-policy"))
    except StoreFault as error:
        warnings.append(_forbidden("CONFIG GET maxmemory-policy", error))
    else:
        name = policy.get("maxmemory-policy", "unknown")
        if name != "noeviction":
            warnings.append(
                StoreWarning(
                    code="evicts_alerts",
                    message=f"maxmemory-policy is {name}: the server may delete alerts when memory "
                    "is full; set it to noeviction",
                )
            )
    return StoreCheck(product=product, version=version, warnings=tuple(warnings))


def _forbidden(command: str, error: BaseException) -> StoreWarning:
    return StoreWarning(
        code="cannot_check",
        message=f"the server did not let us ask {command} ({fault_code(error)}): "
        "make sure that it is Redis 7.0 or later or Valkey, with maxmemory-policy noeviction",
    )


def _one_node(reply: object) -> dict[str, Any]:
    """The reply itself, or that of any node of a cluster."""
    if not isinstance(reply, dict):
        return {}
    values = list(reply.values())
    answer = values[0] if values and all(isinstance(value, dict) for value in values) else reply
    return dict(answer)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
