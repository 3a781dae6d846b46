-- The calendar in UTC. After prelude.lua.

local DAY_MS = 86400000

-- Days since 1970-01-01 of a date in the Gregorian calendar, and back; years begin in March, so
-- that the leap day is the last of its year.
local function days_of(year, month, day)
  local shifted = (month + 9) % 12
  local y = year - (month < 3 and 1 or 0)
  local leaps = math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
  return 365 * y + leaps + math.floor((153 * shifted + 2) / 5) + day - 1 - 719468
end

local function date_of(days)
  local year = math.floor((days + 719468) / 365.2425) + 1
  while days_of(year, 3, 1) > days do
    year = year - 1
  end
  local rest = days - days_of(year, 3, 1)
  local shifted = math.floor((5 * rest + 2) / 153)
  local day = rest - math.floor((153 * shifted + 2) / 5) + 1
  local month = (shifted + 2) % 12 + 1
  return month < 3 and year + 1 or year, month, day
end

-- The days, and the calendar months, that have passed: for what is counted by them.
local function day_number(ms)
  return math.floor(ms / DAY_MS)
end

local function month_number(ms)
  local year, month = date_of(day_number(ms))
  return year * 12 + month
end
