"""Lua scripts for what has to be atomic in Redis.

Each is sent whole each time (EVAL): they are short, and a Redis that lost its scripts needs no
second try. The last two arguments of those that publish are the channel and the message.
"""

# KEYS a name of Lyra's own. Finds out whether Redis takes writes; no process reads the key.
LOOK = """
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('UNLINK', KEYS[1])
return 1
"""

# KEYS entry, generation, details. ARGV ticket, value, milliseconds. Details go with their entry: a
# new one takes them over, but where there was none any more they are gone too.
PUBLISH = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local renewed = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if renewed == 0 then redis.call('UNLINK', KEYS[3]) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
"""

# KEYS details, entry, generation. ARGV ticket, the beginning of what they replace, value,
# milliseconds. Details go with their entry: without one they are not kept (3). Answers 2 if there
# is something else by now, so that no process writes over what another one has added.
PUBLISH_DETAILS = """
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
if redis.call('EXISTS', KEYS[2]) == 0 then return 3 end
local held = redis.call('GETRANGE', KEYS[1], 0, math.max(#ARGV[2], 1) - 1)
if held ~= ARGV[2] then return 2 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
"""

# KEYS entry, generation, lease, details. ARGV channel, the notice, the beginning of one that also says
# when, 1 if there was something elsewhere. Without the generation no fetch that has begun can publish.
# Answers the moment in microseconds, and whether there was something.
FORGET = """
local there = redis.call('UNLINK', KEYS[1])
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
if ARGV[4] == '1' then there = 1 end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('PUBLISH', ARGV[1], ARGV[3] .. ' ' .. now .. ' ' .. there)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return {now, there}
"""

# KEYS epoch. ARGV the new one, then as for FORGET. One that is full takes no new epoch, but the
# old one's end: without an epoch nothing is read.
FORGET_ALL = """
local kept = redis.pcall('SET', KEYS[1], ARGV[1])
if kept.err then redis.call('UNLINK', KEYS[1]) end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('PUBLISH', ARGV[2], ARGV[4] .. ' ' .. now .. ' 1')
redis.call('PUBLISH', ARGV[2], ARGV[3])
return {now, kept.err and 0 or 1}
"""

# KEYS entry, lease. ARGV value, milliseconds, 1 to lead although the entry is there.
# A lease without an expiry is none of ours and would block its key for ever.
LEAD = """
local held = redis.call('GET', KEYS[2])
if held == ARGV[1] then return 1 end
if held and redis.call('PTTL', KEYS[2]) >= 0 then return 0 end
if ARGV[3] == '0' and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS lease. ARGV value, milliseconds.
KEEP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# KEYS lease. ARGV value.
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""

# KEYS anything. Reads it and removes it, so that it serves once. ARGV channel, notice.
TAKE = """
local held = redis.call('GET', KEYS[1])
if held then
    redis.call('UNLINK', KEYS[1])
    redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return held
"""

# KEYS anything. ARGV what it has to be, the new value, milliseconds.
SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

# KEYS the index of an owner's runs. ARGV name, milliseconds, how many at most, how many at once.
# What has expired goes at each new name. Answers names that are too many, the oldest first.
ANNOUNCE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local over = redis.call('ZCARD', KEYS[1]) - ARGV[3]
if over <= 0 then return {} end
return redis.call('ZRANGE', KEYS[1], 0, math.min(over, tonumber(ARGV[4])) - 1)
"""

# KEYS a run, its sign of life. ARGV milliseconds, milliseconds of the sign, then of a piece: its
# position, the sealed lines, 1 if it is the last. A run that is gone was forgotten or evicted:
# what came behind would be half of it, so nothing of it comes back.
APPEND = """
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('UNLINK', KEYS[2])
    return 0
end
if ARGV[3] then
    redis.call('XADD', KEYS[1], '*', 'n', ARGV[3], 'd', ARGV[4], 'e', ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 1
"""

# KEYS the index of an owner's runs, then runs and their signs of life. ARGV their names. A name
# leaves the index only with its run, so that what could not be deleted is found again.
DELETE_RUNS = """
if #KEYS > 1 then redis.call('UNLINK', unpack(KEYS, 2)) end
redis.call('ZREM', KEYS[1], unpack(ARGV))
return 1
"""

# KEYS the index of an owner's runs. ARGV how many at once, what stands before and behind a name in
# the keys of a run and of its sign of life, the channel, the beginning of a notice that also says
# when, 1 if there was something elsewhere. Deletes the oldest; answers how many are left, the
# moment in microseconds, and whether there was something.
FORGET_RUNS = """
local keys = {}
local there = tonumber(ARGV[7])
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)) do
    keys[#keys + 1] = ARGV[2] .. name .. ARGV[4]
    keys[#keys + 1] = ARGV[3] .. name .. ARGV[4]
end
if #keys > 0 then
    redis.call('UNLINK', unpack(keys))
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, ARGV[1] - 1)
    there = 1
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('PUBLISH', ARGV[5], ARGV[6] .. ' ' .. now .. ' ' .. there)
return {redis.call('ZCARD', KEYS[1]), now, there}
"""

# KEYS used, held. ARGV milliseconds to hold, milliseconds to count, then as each script says, and
# from `first` on holders and amounts that are to be counted in place of what they hold.
# What is held is "amount until", by holder: one whose time is over has died and holds nothing. What
# was counted leaves "0 until" under its holder's name and /told: a command whose reply was lost
# comes twice, or late. What is no number or no hash was not put there by Lyra, and goes.
_COUNT = """
local bad = 0
local function sure(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  local fault = type(reply) == 'table' and reply.err or ''
  if string.find(fault, 'WRONGTYPE') or string.find(fault, 'integer') or string.find(fault, 'overflow') then
    bad = 1
    redis.call('UNLINK', key)
  elseif fault == '' then
    return reply
  end
  return redis.call(command, key, ...)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = string.format('%.0f', now + ARGV[1])
local function count(first)
  local sum = 0
  for at = first, #ARGV, 2 do
    sure('HDEL', KEYS[2], ARGV[at])
    local new = redis.call('HSET', KEYS[2], ARGV[at] .. '/told', '0 ' .. ends)
    sum = sum + new * ARGV[at + 1]
  end
  local used = sure('INCRBY', KEYS[1], string.format('%.0f', sum))
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return used
end
"""

# Further ARGV holder, amount, bound. Answers whether it is held, what is used, what is held, and
# whether something was there that was not Lyra's.
HOLD = f"""{_COUNT}
local used, held, told = count(6), 0, false
local all = sure('HGETALL', KEYS[2])
for at = 1, #all, 2 do
  local amount, over = string.match(all[at + 1], '^(%d+) (%d+)$')
  if not over or tonumber(over) <= now then redis.call('HDEL', KEYS[2], all[at])
  else
    held = held + tonumber(amount)
    told = told or all[at] == ARGV[3] .. '/told'
  end
end
if used >= tonumber(ARGV[5]) or (held > 0 and used + held + ARGV[4] > tonumber(ARGV[5])) then
  return {{0, used, held, bad}}
end
if not told then redis.call('HSET', KEYS[2], ARGV[3], ARGV[4] .. ' ' .. ends) end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {{1, used, held, bad}}
"""

# Answers what is used, and whether something was there that was not Lyra's.
SETTLE = f"""{_COUNT}
return {{count(3), bad}}
"""

# KEYS counter. ARGV the bound, milliseconds. Counts one more if the bound allows it. Answers whether
# it did, and whether something was there that was not Lyra's, over which it writes.
COUNT_ONE = """
local held = redis.pcall('GET', KEYS[1])
local used = type(held) == 'string' and string.find(held, '^%d+$') and tonumber(held)
local bad = held and not used and 1 or 0
if (used or 0) >= tonumber(ARGV[1]) then return {0, bad} end
redis.call('SET', KEYS[1], (used or 0) + 1, 'PX', ARGV[2])
return {1, bad}
"""
