"""The small scripts that run inside the server, where nothing comes between their commands."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

StoreClient = Redis | RedisCluster
"""What ``mamori.monitor.store.client.connect`` gives."""


class Script:
    """A Lua script, called by its hash; sent whole once where the server does not know it yet."""

    def __init__(self, text: str) -> None:
        self._text = text
        # The protocol names scripts by SHA-1; nothing rests on its strength.
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(
        self, client: StoreClient, keys: list[str], arguments: list[str | int]
    ) -> list[Any]:
        """The script's reply, a list; whatever redis-py raises when the server cannot run it."""
        call = (len(keys), *keys, *arguments)
        try:
            reply: list[Any] = await client.execute_command("EVALSHA", self._sha, *call)
        except NoScriptError:
            # EVAL also stores the script, so the next call finds it by its hash.
            reply = await client.execute_command("EVAL", self._text, *call)
        return reply


_COMPARE: Final = """
local function older(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  ams, aseq, bms, bseq = tonumber(ams), tonumber(aseq), tonumber(bms), tonumber(bseq)
  if ams ~= bms then return ams < bms end
  return aseq < bseq
end
"""

# KEYS: stream, marks, then one seen key an event.
# ARGV: publisher, mark we expect ('' accepts any, '?' any but none), life of a seen key in ms,
#       then event id and body for each seen key.
# Reply: {'lost', mark} with nothing written, or {'ok', mark, entry id, 1 new or 0 known, ...}.
#
# A seen key counts only while its entry is there: a stream that was deleted is filled again.
# A server that is out of memory or read-only refuses the first write, so a batch is written whole
# or not at all.
PUBLISH: Final = Script(
    _COMPARE
    + """
local mark = redis.call('HGET', KEYS[2], ARGV[1])
local expected = ARGV[2]
if expected == '?' then
  if not mark then return {'lost', ''} end
elseif expected ~= '' then
  if not mark or older(mark, expected) or redis.call('EXISTS', KEYS[1]) == 0 then
    return {'lost', mark or ''}
  end
end
local reply = {'ok', mark or ''}
local written = false
for i = 3, #KEYS do
  local at = 4 + (i - 3) * 2
  local id = redis.call('GET', KEYS[i])
  if id and #redis.call('XRANGE', KEYS[1], id, id) == 0 then id = false end
  local new = 0
  if not id then
    id = redis.call('XADD', KEYS[1], '*', 'id', ARGV[at], 'body', ARGV[at + 1])
    redis.call('SET', KEYS[i], id, 'PX', ARGV[3])
    new = 1
    written = id
  end
  reply[#reply + 1] = id
  reply[#reply + 1] = new
end
if written then
  redis.call('HSET', KEYS[2], ARGV[1], written)
  reply[2] = written
end
return reply
"""
)

# KEYS: stream. ARGV: retention in ms.
# Reply: {entries removed, name of the group that held entries back or ''}.
#
# In one script, so that no group can be created and no entry be read between looking and trimming.
# Ids carry the server's clock, so age is measured by it too. A group needs all from its oldest
# pending entry on, or, with none pending, from the first after its last delivered one.
TRIM: Final = Script(
    _COMPARE
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, ''} end
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local age = now_ms - tonumber(ARGV[1])
if age < 0 then age = 0 end
local bound = string.format('%.0f-0', age)
local holder = ''
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local name, pending, delivered = '', 0, '0-0'
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
    if group[i] == 'pending' then pending = group[i + 1] end
    if group[i] == 'last-delivered-id' then delivered = group[i + 1] end
  end
  local needed = nil
  if pending > 0 then
    needed = redis.call('XPENDING', KEYS[1], name)[2]
  else
    local unread = redis.call('XRANGE', KEYS[1], '(' .. delivered, '+', 'COUNT', 1)[1]
    if unread then needed = unread[1] end
  end
  if needed and older(needed, bound) then
    bound = needed
    holder = name
  end
end
return {redis.call('XTRIM', KEYS[1], 'MINID', '=', bound), holder}
"""
)
