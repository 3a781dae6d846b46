-- An account and its lots: read once, changed in memory by `move`, written by `close_books`. After
-- prelude.lua.

-- Read what stands of PARTY in the cells of a hash, after `before` others; what is not there yet is
-- nothing.
local function read_party(party, cells, before)
  party.day, party.month = cells[before + 1] or '', cells[before + 2] or ''
  for at = 3, #PARTY do
    party[PARTY[at]] = tonumber(cells[before + at] or 0)
  end
end

-- The account as it was written last; nil if it is not open.
local function read_books(now)
  local cells = redis.call('HMGET', KEYS[1], 'granted', 'available', 'held', 'spent', 'expired',
    'reversed', 'currency', 'overdraft', 'low_below', 'low_percent', 'low_base', 'low', 'exhausted',
    'needed', 'recharge_below', 'recharge_amount', 'waiting', unpack(PARTY))
  if not cells[7] then
    return nil
  end
  local total = {}
  for at, part in ipairs(PARTS) do
    total[part] = tonumber(cells[at])
  end
  local books = {
    now = now,
    total = total,
    currency = cells[7],
    overdraft = tonumber(cells[8]),
    low_below = tonumber(cells[9]),
    low_percent = tonumber(cells[10]),
    low_base = tonumber(cells[11]), -- the balance when money came last
    low = cells[12],
    exhausted = cells[13],
    needed = tonumber(cells[14]), -- that could not be paid, while a recharge is on its way
    recharge_below = tonumber(cells[15]),
    recharge_amount = tonumber(cells[16]),
    waiting = cells[17], -- '1' after a live call was refused its next slice
    lots = {}, -- those that were read, by name
    touched = {}, -- those that were changed, in the order of their first change
    moves = {}, -- those that are no entry of the journal yet
    entries = {}, -- of the journal, to be written
    changes = {}, -- of the account's other fields, to be written
  }
  read_party(books, cells, 17)
  return books
end

-- A lot, read once; nil if there is none of that name.
local function lot_of(books, name)
  local lot = books.lots[name]
  if lot then
    return lot
  end
  local cells = redis.call('HGET', KEYS[2], name)
  if not cells then
    if name ~= OVERDRAFT and name ~= RETIRED then
      return nil
    end
    -- Beyond the lots that never expire, so that it is spent after them.
    cells = '0 0 0 0 0 0 0 ' .. text(NEVER_MS + 1) .. ' 0'
  end
  lot = { name = name }
  local at = 0
  for cell in string.gmatch(cells, '%S+') do
    at = at + 1
    lot[LOT_CELLS[at]] = tonumber(cell)
  end
  lot.listed = lot.available > 0
  books.lots[name] = lot
  return lot
end

local function touch(books, lot)
  if not lot.touched then
    lot.touched = true
    books.touched[#books.touched + 1] = lot
  end
end

-- Move money from one part of a lot to another. What is granted comes from outside, and is the sum
-- of the other parts.
local function move(books, lot, from, to, micros)
  if micros == 0 then
    return
  end
  for _, side in ipairs({ lot, books.total }) do
    side[from] = side[from] + (from == 'granted' and micros or -micros)
    side[to] = side[to] + micros
  end
  touch(books, lot)
  books.moves[#books.moves + 1] = lot.name .. ' ' .. from .. ' ' .. to .. ' ' .. text(micros)
end

-- Make an entry of the journal from the moves since the one before.
local function enter(books, operation, ...)
  books.entries[#books.entries + 1] = { 'op', operation, 'account', ARGV[1],
    'available', text(books.total.available), 'moves', table.concat(books.moves, ';'), ... }
  books.moves = {}
end

-- Take the lots whose time has come out of available (rule M2).
local function lapse(books)
  local expired = books.total.expired
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(books.now))) do
    local lot = lot_of(books, name)
    move(books, lot, 'available', 'expired', lot.available)
  end
  if #books.moves > 0 then
    enter(books, 'expire')
  end
  books.lapsed = books.total.expired - expired
end

-- The account as it is now, as one table, to be changed in memory and written by `close_books`; nil
-- if it is not open.
local function open_books(now)
  local books = read_books(now)
  if books then
    lapse(books)
  end
  return books
end

-- Call `use` with each lot that has money available and what is used of it, in the order of spending
-- (rule M3), up to `micros`; give what the lots do not cover.
local function spend_from_lots(books, micros, use)
  local at = 0
  while micros > 0 do
    local name = redis.call('ZRANGE', KEYS[3], at, at)[1]
    if not name then
      break
    end
    local lot = lot_of(books, name)
    local used = math.min(micros, lot.available)
    use(lot, used)
    micros = micros - used
    at = at + 1
  end
  return micros
end

-- What a call may use: what is available, and beyond that its overdraft.
local function spendable(books)
  return books.total.available + books.overdraft
end

-- Change a field of the account, or of another table whose `changes` are to be written to a hash.
local function change(of, field, value)
  local changes = of.changes
  of[field] = value
  changes[#changes + 1] = field
  changes[#changes + 1] = type(value) == 'number' and text(value) or value
end

local function event(kind, ...)
  redis.call('XADD', KEYS[5], '*', 'event', kind, 'account', ARGV[1], ...)
end
