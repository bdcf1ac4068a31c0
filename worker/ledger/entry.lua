-- One step of the ledger on one request's entry, undivided: `known`, `claim`, `cancel`, `settle`, `release` or `forget`.
--
-- KEYS[1]  the entry, a hash: owner, fingerprint, message_id, settled (0, 1, or 2: cancelled), safe_at (ms of this
--          server's clock), folder_id (empty: unknown), refusal (JSON; empty: none)
-- ARGV     operation, owner; for claim, cancel and settle also expiry in ms, fingerprint, whether there is a message_id
--          (0 or 1), message_id; ms until safe_at (0 for settle), over (empty: nobody), folder_id, refusal
-- returns  nothing, or the entry that stands there: {owner, fingerprint, message_id, settled, ms until safe_at,
--          folder_id, refusal};
--          {'foreign', type} for what no ledger has written
local operation, owner = ARGV[1], ARGV[2]

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- HSET comes first: a server that is out of memory refuses a script's first write only.
local function write(settled, safe_at)
  redis.call('HSET', KEYS[1], 'owner', owner, 'fingerprint', ARGV[4], 'settled', settled,
    'safe_at', string.format('%.0f', safe_at), 'folder_id', ARGV[9], 'refusal', ARGV[10])
  if ARGV[5] == '1' then
    redis.call('HSET', KEYS[1], 'message_id', ARGV[6])
  else
    redis.call('HDEL', KEYS[1], 'message_id')
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end

if operation == 'forget' then
  redis.call('DEL', KEYS[1])
  return false
end

local kind = redis.call('TYPE', KEYS[1]).ok
if operation == 'settle' then
  if kind ~= 'none' and kind ~= 'hash' then redis.call('DEL', KEYS[1]) end
  write('1', 0)
  return false
end

if kind ~= 'none' and kind ~= 'hash' then return { 'foreign', kind } end
local entry = redis.call('HMGET', KEYS[1], 'owner', 'fingerprint', 'message_id', 'settled', 'safe_at',
  'folder_id', 'refusal')
local absent, safe_at = kind == 'none', tonumber(entry[5] or '')
local known = entry[1] and entry[2] and (entry[4] == '0' or entry[4] == '1' or entry[4] == '2') and safe_at
if not absent and not known then return { 'foreign', kind } end
-- A clock that was set back must not make it unsafe for ever.
if entry[4] == '0' then safe_at = math.min(safe_at, now() + 3600000) end
local own = entry[4] == '0' and entry[1] == owner
local tombstone = entry[4] == '2'
-- A look-up before safe_at disproves nothing: its owner may have moved it since it was read.
local disproved = entry[4] == '0' and entry[1] == ARGV[8] and safe_at <= now()

if operation == 'release' then
  if own then redis.call('DEL', KEYS[1]) end
  return false
end

if operation == 'claim' then
  if absent or own or disproved or (tombstone and entry[1] == ARGV[8]) then
    write('0', now() + ARGV[7])
    return false
  end
end

if operation == 'cancel' then
  -- A stop request that comes twice cancels no second message.
  if tombstone and entry[1] == owner and ARGV[4] == '' then return false end
  if absent or tombstone or disproved then
    write('2', now() + ARGV[7])
    return false
  end
end

if absent then return false end
entry[5] = string.format('%.0f', safe_at - now())
return entry
