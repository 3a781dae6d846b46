-- How a lot comes to be (rule M2). After prelude.lua and calendar.lua.

-- 12 calendar months later in UTC; 29 February becomes 28 February.
local function twelve_months_after(ms)
  local days = math.floor(ms / DAY_MS)
  local year, month, day = date_of(days)
  if month == 2 and day == 29 then
    day = 28
  end
  return days_of(year + 1, month, day) * DAY_MS + ms % DAY_MS
end

-- Add a lot, and let it repay what was spent beyond all lots; give its name. Lots that expire
-- together are spent by name: promotional before paid, then the oldest first.
local function add_lot(books, kind, reference, micros, expires, ...)
  local now = books.now
  local lot = { name = kind .. '-' .. text(now) .. '-' .. reference, purchased = now,
    expires = expires, warned = 0, listed = false }
  for _, part in ipairs(PARTS) do
    lot[part] = 0
  end
  books.lots[lot.name] = lot
  move(books, lot, 'granted', 'available', micros)
  enter(books, 'grant', 'reference', reference, 'kind', kind, 'purchased', text(now),
    'expires', text(expires), ...)
  repay(books)
  change(books, 'low_base', books.total.available + books.total.held)
  event('credit')
  return lot.name
end
