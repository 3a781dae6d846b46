-- What ends every operation on an account. After recharge.lua.

-- Write the lots that were changed. One that has nothing left is over: it leaves the lots, and only
-- its sums stay, or memory would grow with every lot that was ever spent. What is new is written
-- before what is over goes: a key that is gone cannot be made again while a cluster moves its slot.
local function write_lots(books)
  local over, unlisted = {}, {}
  for _, lot in ipairs(books.touched) do -- also those that are touched meanwhile
    if lot.available == 0 and lot.held == 0 and lot.name ~= RETIRED then
      local retired = lot_of(books, RETIRED)
      for _, part in ipairs(PARTS) do
        retired[part] = retired[part] + lot[part]
      end
      touch(books, retired)
      over[#over + 1] = lot.name
      books.lots[lot.name] = nil
    else
      local cells = {}
      for at, cell in ipairs(LOT_CELLS) do
        cells[at] = text(lot[cell])
      end
      redis.call('HSET', KEYS[2], lot.name, table.concat(cells, ' '))
    end
    if lot.available > 0 and not lot.listed then
      redis.call('ZADD', KEYS[3], text(lot.expires), lot.name)
    elseif lot.available <= 0 and lot.listed then
      unlisted[#unlisted + 1] = lot.name
    end
    lot.listed, lot.touched = lot.available > 0, false
  end
  for _, name in ipairs(over) do
    redis.call('HDEL', KEYS[2], name)
  end
  for _, name in ipairs(unlisted) do
    redis.call('ZREM', KEYS[3], name)
  end
  books.touched = {}
end

-- Let lots that have money pay what was spent beyond all lots; the account's sums stay the same.
local function repay(books)
  local debt = lot_of(books, OVERDRAFT)
  if debt.spent == 0 then
    return
  end
  write_lots(books)
  spend_from_lots(books, debt.spent, function(lot, micros)
    move(books, debt, 'spent', 'available', micros)
    move(books, lot, 'available', 'spent', micros)
  end)
  if #books.moves > 0 then
    enter(books, 'repay')
  end
end

-- Below what the balance is low: what was set, or a part of what there was when money came last.
local function low_threshold(books)
  if books.low_below > 0 then
    return books.low_below
  end
  return math.floor(books.low_base / 100) * books.low_percent
end

-- What was told of a balance that calls cannot go on with, from bad to worse.
local TOO_LITTLE, NOTHING = 'too_little', 'nothing'
local BADNESS = { [''] = 0, [TOO_LITTLE] = 1, [NOTHING] = 2 }

-- Tell once that the balance is low, once that it is too little for a call, whose price of `needed`
-- micro-units it would not pay were all that is held given back, and once that nothing is left. None
-- of it is told while a recharge is on its way. `lifted` ends the episode: money came.
local function watch(books, needed, lifted)
  local total = books.total
  local balance = total.available + total.held
  local spending = balance + books.overdraft
  needed = math.max(needed, lifted and 0 or books.needed)
  -- Nobody is told of an account that never had any credit.
  local had = total.granted > 0 or books.overdraft > 0
  local low = had and balance < low_threshold(books)
  local left = had and (spending <= 0 and NOTHING or spending < needed and TOO_LITTLE) or ''
  local is_worse = BADNESS[left] > BADNESS[books.exhausted]
  local helped = (is_worse or (low and books.low == '')) and is_on_its_way(books)
  if low and books.low == '' and not helped then
    change(books, 'low', '1')
    event('low', 'available', text(total.available), 'held', text(total.held),
      'below', text(low_threshold(books)))
  elseif not low and books.low ~= '' then
    change(books, 'low', '')
  end
  local still_needed = is_worse and helped and needed or 0
  if is_worse and not helped then
    change(books, 'exhausted', left)
    event('exhausted', 'available', text(total.available), 'held', text(total.held),
      'left', left, 'needed', text(needed), 'recharge', why_not_recharged(books))
  elseif lifted and left == '' and books.exhausted ~= '' then
    change(books, 'exhausted', '')
  end
  if still_needed ~= books.needed then
    change(books, 'needed', still_needed)
  end
end

-- Write the account; give the id of its last entry in the journal. Said to `watch`: `needed`, the
-- price that could not be paid, or 0; `lifted`, whether money came.
local function close_books(books, needed, lifted)
  write_lots(books)
  local entry
  for _, fields in ipairs(books.entries) do
    entry = redis.call('XADD', KEYS[4], '*', unpack(fields))
  end
  claim_recharge(books)
  watch(books, needed, lifted)
  if entry then
    for _, part in ipairs(PARTS) do
      table.insert(books.changes, part)
      table.insert(books.changes, text(books.total[part]))
    end
    table.insert(books.changes, 'entry')
    table.insert(books.changes, entry)
  end
  if #books.changes > 0 then
    redis.call('HSET', KEYS[1], unpack(books.changes))
  end
  return entry
end
