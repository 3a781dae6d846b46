-- Let lots lapse whose time has come, and warn of those that will (rules M2, R6).
--
-- ARGV  nothing more
-- Answers  "expired MICROS AVAILABLE" | "refused unknown_account 0"
-- Repeating it changes nothing more: each lot lapses once, and is warned of once at 30 days, at 7
-- and at 1. A recharge that is due is claimed, also one whose pause after a failure has ended.

local WARNED_DAYS = { 1, 7, 30 }

local now = now_ms()
local books = open_books(now)
if not books then
  return 'refused unknown_account 0'
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. text(now),
  text(now + 30 * DAY_MS))) do
  local lot = lot_of(books, name)
  local days
  for _, limit in ipairs(WARNED_DAYS) do
    days = days or (lot.expires <= now + limit * DAY_MS and limit)
  end
  if lot.warned == 0 or days < lot.warned then
    lot.warned = days
    touch(books, lot)
    event('lot_expiring', 'lot', name, 'micros', text(lot.available), 'expires', text(lot.expires),
      'days', text(days))
  end
end
close_books(books, 0)
return 'expired ' .. text(books.lapsed) .. ' ' .. text(books.total.available)
