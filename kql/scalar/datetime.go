package scalar

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/kql/column"
)

// epoch is 1970-01-01 in ticks.
var epoch = int64(column.FromTime(time.Unix(0, 0)))

func datetimeFunctions() []*Func {
	when, length, long := column.DateTime, column.TimeSpan, column.Long
	part := func(name string, f func(t time.Time) int) *Func {
		return define(name, long, need(date), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			return int64(f(column.Ticks(a[0].Int(i)).Time())), true
		}))
	}
	unix := func(name string, ticks float64) *Func {
		return define(name, when, need(anyNumber), ints(when, func(a []*column.Vector, i int) (int64, bool) {
			t, ok := sinceEpoch(a[0].Value(i), ticks)
			return t, ok && t >= 0 && t <= column.MaxTicks
		}))
	}
	all := []*Func{
		define("dayofweek", length, need(date), ints(length, func(a []*column.Vector, i int) (int64, bool) {
			return int64(column.Ticks(a[0].Int(i)).Time().Weekday()) * column.Day, true
		})),
		part("dayofmonth", time.Time.Day),
		part("dayofyear", time.Time.YearDay),
		part("hourofday", time.Time.Hour),
		part("getyear", time.Time.Year),
		part("getmonth", func(t time.Time) int { return int(t.Month()) }),
		part("monthofyear", func(t time.Time) int { return int(t.Month()) }),
		define("datetime_add", when, need(text, whole, date), ints(when, func(a []*column.Vector, i int) (int64, bool) {
			return addPart(a[0].Str(i), a[1].Int(i), a[2].Int(i))
		})).check(func(consts []*column.Vector) error { return checkPart("datetime_add", consts, calendarParts) }),
		datetimeDiff(),
		define("make_timespan", length, opt(need(whole, whole), number, number), ints(length, makeTimespan)),
		unix("unixtime_seconds_todatetime", float64(column.Second)),
		unix("unixtime_milliseconds_todatetime", float64(column.Millisecond)),
		unix("unixtime_microseconds_todatetime", float64(column.Microsecond)),
		unix("unixtime_nanoseconds_todatetime", 0.01),
		zone("datetime_utc_to_local", fromUTC),
		zone("datetime_local_to_utc", toUTC),
		makeDatetime(),
	}
	datetimePart := define("datetime_part", long, need(text, date), ints(long, func(a []*column.Vector, i int) (int64, bool) {
		return datePart(a[0].Str(i), a[1].Int(i))
	})).check(func(consts []*column.Vector) error { return checkPart("datetime_part", consts, readParts) })
	all = append(all, synonyms(datetimePart, "datepart")...)
	all = append(all, synonyms(part("week_of_year", isoWeek), "weekofyear")...)
	for name, of := range map[string]func(t time.Time, offset int) time.Time{
		"day": startOfDay, "week": startOfWeek, "month": startOfMonth, "year": startOfYear,
	} {
		all = append(all, bounds("startof"+name, of, 0), bounds("endof"+name, of, 1))
	}
	return all
}

// sinceEpoch gives the datetime that a number of units of so many ticks lies after 1970. Whole numbers are exact.
func sinceEpoch(v column.Value, ticks float64) (int64, bool) {
	n, ok := v.(int64)
	fraction := 0.0
	if !ok {
		x, isNumber := asNumber(v)
		whole, rest := math.Modf(x)
		if n, ok = realToLong(whole); !isNumber || !ok {
			return 0, false
		}
		fraction = rest
	}
	if ticks < 1 {
		return epoch + floorDiv(n, int64(1/ticks)), true
	}
	if limit := column.MaxTicks / int64(ticks); n > limit || n < -limit {
		return 0, false
	}
	return epoch + n*int64(ticks) + int64(math.Round(fraction*ticks)), true
}

func isoWeek(t time.Time) int {
	_, week := t.ISOWeek()
	return week
}

func startOfDay(t time.Time, offset int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+offset, 0, 0, 0, 0, time.UTC)
}

// startOfWeek is Sunday's midnight.
func startOfWeek(t time.Time, offset int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()-int(t.Weekday())+7*offset, 0, 0, 0, 0, time.UTC)
}

func startOfMonth(t time.Time, offset int) time.Time {
	return time.Date(t.Year(), t.Month()+time.Month(offset), 1, 0, 0, 0, 0, time.UTC)
}

func startOfYear(t time.Time, offset int) time.Time {
	return time.Date(t.Year()+offset, 1, 1, 0, 0, 0, 0, time.UTC)
}

// maxOffset bounds the offsets of startof…() and endof…() so that their arithmetic stays within what package time can do.
const maxOffset = 4_000_000

// bounds is startof…() and endof…(): the end is one tick before the start after it.
func bounds(name string, of func(time.Time, int) time.Time, after int) *Func {
	f := define(name, column.DateTime, opt(need(date), whole), ints(column.DateTime, func(a []*column.Vector, i int) (int64, bool) {
		offset := int64(0)
		if len(a) > 1 {
			offset = a[1].Int(i)
		}
		if offset > maxOffset || offset < -maxOffset {
			return 0, false
		}
		t, ok := fromTime(of(column.Ticks(a[0].Int(i)).Time(), int(offset)+after))
		return t - int64(after), ok && t-int64(after) >= 0
	}))
	if name == "startofday" {
		f.named(AutoArg)
	}
	return f
}

// fromTime is column.FromTime without its saturation; the end of the year 9999 is the one allowed tick too many.
func fromTime(t time.Time) (int64, bool) {
	if t.Year() == 10000 && t.Month() == 1 && t.Day() == 1 && t.Hour() == 0 {
		return column.MaxTicks + 1, true
	}
	return int64(column.FromTime(t)), t.Year() >= 1 && t.Year() <= 9999
}

var (
	calendarParts = []string{"year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond"}
	readParts     = []string{"year", "quarter", "month", "week_of_year", "day", "dayofyear", "hour", "minute", "second", "millisecond",
		"microsecond", "nanosecond"}
)

func checkPart(name string, consts []*column.Vector, parts []string) error {
	got, ok := constText(consts, 0)
	if !ok {
		return nil
	}
	for _, p := range parts {
		if strings.EqualFold(p, got) {
			return nil
		}
	}
	return badChoice("first", name, got, parts...)
}

// partTicks gives the length of the parts that have one length.
func partTicks(part string) (ticks int64, ok bool) {
	switch part {
	case "week":
		return 7 * column.Day, true
	case "day":
		return column.Day, true
	case "hour":
		return column.Hour, true
	case "minute":
		return column.Minute, true
	case "second":
		return column.Second, true
	case "millisecond":
		return column.Millisecond, true
	case "microsecond":
		return column.Microsecond, true
	}
	return 0, false
}

func addPart(part string, n, ticks int64) (int64, bool) {
	part = strings.ToLower(part)
	sum := int64(0)
	if length, ok := partTicks(part); ok {
		if n > column.MaxTicks/length || n < -column.MaxTicks/length {
			return 0, false
		}
		sum = ticks + n*length
	} else if part == "nanosecond" {
		sum = ticks + n/100
	} else {
		months := map[string]int64{"year": 12, "quarter": 3, "month": 1}[part]
		if months == 0 || n > maxOffset || n < -maxOffset {
			return 0, false
		}
		return addMonths(ticks, int(n*months))
	}
	return sum, sum >= 0 && sum <= column.MaxTicks
}

// addMonths keeps the day of the month, or takes the last day of a shorter one.
func addMonths(ticks int64, months int) (int64, bool) {
	t := column.Ticks(ticks).Time()
	first := startOfMonth(t, months)
	last := startOfMonth(first, 1).AddDate(0, 0, -1).Day()
	start, ok := fromTime(time.Date(first.Year(), first.Month(), min(t.Day(), last), 0, 0, 0, 0, time.UTC))
	return start + ticks%column.Day, ok
}

// datetimeDiff is datetime_diff(part, a, b). The result is long, but real if the part is the constant "week", as the engine has it.
func datetimeDiff() *Func {
	diff := func(a []*column.Vector, i int) (int64, bool) { return diffPart(a[0].Str(i), a[1].Int(i), a[2].Int(i)) }
	f := define("datetime_diff", column.Long, need(text, date, date), func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		v, err := ints(column.Long, diff)(c, args, n)
		if err == nil && args[0].IsConst() && isWeek(args[0].Str(0)) {
			v = convert(column.Real, v)
		}
		return v, err
	})
	resolve := f.Resolve
	f.ResolveConst = func(args []column.Type, consts []*column.Vector) (column.Type, error) {
		t, err := resolve(args)
		if err != nil {
			return t, err
		}
		if part, ok := constText(consts, 0); ok && isWeek(part) {
			t = column.Real
		}
		return t, checkPart("datetime_diff", consts, calendarParts)
	}
	return f
}

func isWeek(part string) bool { return strings.EqualFold(part, "week") }

// diffPart counts the borders of a part between two datetimes: between 23:59 and 00:01 lies one day.
func diffPart(part string, a, b int64) (int64, bool) {
	part = strings.ToLower(part)
	if part == "nanosecond" {
		return (a - b) * 100, a-b < math.MaxInt64/100 && a-b > math.MinInt64/100
	}
	x, y := column.Ticks(a).Time(), column.Ticks(b).Time()
	switch part {
	case "year":
		return int64(x.Year() - y.Year()), true
	case "quarter":
		return int64((x.Year()-y.Year())*4 + (int(x.Month())-1)/3 - (int(y.Month())-1)/3), true
	case "month":
		return int64((x.Year()-y.Year())*12 + int(x.Month()) - int(y.Month())), true
	case "week":
		a -= int64(x.Weekday()) * column.Day
		b -= int64(y.Weekday()) * column.Day
		return (floorDiv(a, column.Day) - floorDiv(b, column.Day)) / 7, true
	}
	length, ok := partTicks(part)
	if !ok {
		return 0, false
	}
	return a/length - b/length, true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func datePart(part string, ticks int64) (int64, bool) {
	t := column.Ticks(ticks).Time()
	switch strings.ToLower(part) {
	case "year":
		return int64(t.Year()), true
	case "quarter":
		return int64(t.Month()-1)/3 + 1, true
	case "month":
		return int64(t.Month()), true
	case "week_of_year":
		return int64(isoWeek(t)), true
	case "day":
		return int64(t.Day()), true
	case "dayofyear":
		return int64(t.YearDay()), true
	case "hour":
		return int64(t.Hour()), true
	case "minute":
		return int64(t.Minute()), true
	case "second":
		return int64(t.Second()), true
	case "millisecond":
		return ticks / column.Millisecond % 1000, true
	case "microsecond":
		return ticks / column.Microsecond % 1_000_000, true
	case "nanosecond":
		return ticks % column.Second * 100, true
	}
	return 0, false
}

// makeDatetime is make_datetime(text) and make_datetime(year, month, day, hour, minute, second); the second may have a fraction.
func makeDatetime() *Func {
	parts := define("make_datetime", column.DateTime, opt(need(number, number, number), number, number, number),
		ints(column.DateTime, func(a []*column.Vector, i int) (int64, bool) {
			var p [6]float64
			for k, v := range a {
				p[k] = v.Real(i)
			}
			limits := [6][2]float64{{1, 9999}, {1, 12}, {1, 31}, {0, 23}, {0, 59}, {0, 59.9999999}}
			for k, x := range p {
				if !(x >= limits[k][0] && x <= limits[k][1]) {
					return 0, false
				}
			}
			day := time.Date(int(p[0]), time.Month(p[1]), int(p[2]), 0, 0, 0, 0, time.UTC)
			return int64(column.FromTime(day)) + int64(p[3])*column.Hour + int64(p[4])*column.Minute + int64(math.Round(p[5]*float64(column.Second))),
				day.Day() == int(p[2])
		}))
	f := *parts
	f.MinArgs = 1
	f.Resolve = func(args []column.Type) (column.Type, error) {
		switch len(args) {
		case 1:
			return column.DateTime, nil
		case 2:
			return column.Invalid, fmt.Errorf("make_datetime takes one value, or a year, a month and a day; there are 2 arguments")
		}
		return parts.Resolve(args)
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		if len(args) == 1 {
			return convert(column.DateTime, args[0]), nil
		}
		return parts.Eval(c, args, n)
	}
	return &f
}

// makeTimespan is make_timespan(hours, minutes[, seconds]) and make_timespan(days, hours, minutes, seconds).
func makeTimespan(a []*column.Vector, i int) (int64, bool) {
	var p [4]float64
	days := 0
	if len(a) == 4 {
		days = 1
	}
	for k, v := range a {
		x := 0.0
		if v.Type() == column.Real {
			x = v.Real(i)
		} else {
			x = float64(v.Int(i))
		}
		p[k+1-days] = x
	}
	limits := [4]float64{10_000_000, 24, 60, 60}
	for k, x := range p {
		if !(x >= 0 && x < limits[k]) {
			return 0, false
		}
	}
	return int64(p[0])*column.Day + int64(p[1])*column.Hour + int64(p[2])*column.Minute + int64(math.Round(p[3]*float64(column.Second))), true
}
