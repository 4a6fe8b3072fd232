package column

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Ticks is a point in time: ticks of 100 ns since 0001-01-01 00:00 UTC, as .NET and therefore Kusto count.
type Ticks int64

// Span is a length of time in ticks of 100 ns.
type Span int64

// Lengths of time in ticks.
const (
	Microsecond int64 = 10
	Millisecond       = 1000 * Microsecond
	Second            = 1000 * Millisecond
	Minute            = 60 * Second
	Hour              = 60 * Minute
	Day               = 24 * Hour
)

// MaxTicks is the last tick of the year 9999, the end of Kusto's time. The first is 0.
const MaxTicks int64 = 3155378975999999999

// unixEpoch is 1970-01-01 in ticks.
const unixEpoch int64 = 621355968000000000

// FromTime converts t; times outside of the years 1 to 9999 are brought to the nearest end. Digits below 100 ns are cut off.
func FromTime(t time.Time) Ticks {
	secs := t.Unix()
	if secs < -unixEpoch/Second {
		return 0
	}
	if secs > (MaxTicks-unixEpoch)/Second {
		return Ticks(MaxTicks)
	}
	return Ticks(unixEpoch + secs*Second + int64(t.Nanosecond())/100)
}

// Time converts t to UTC.
func (t Ticks) Time() time.Time {
	since := int64(t) - unixEpoch
	secs := since / Second
	rest := since % Second
	if rest < 0 {
		secs--
		rest += Second
	}
	return time.Unix(secs, rest*100).UTC()
}

// String formats t as Kusto does: 2017-01-01T00:00:00.0000000Z.
func (t Ticks) String() string { return t.Time().Format("2006-01-02T15:04:05.0000000Z") }

// FromDuration converts d; digits below 100 ns are cut off.
func FromDuration(d time.Duration) Span { return Span(d / 100) }

// Duration converts s; beyond ±292 years it saturates.
func (s Span) Duration() time.Duration {
	switch {
	case int64(s) > math.MaxInt64/100:
		return math.MaxInt64
	case int64(s) < math.MinInt64/100:
		return math.MinInt64
	}
	return time.Duration(s) * 100
}

// String formats s as Kusto does: [-][d.]hh:mm:ss[.fffffff].
func (s Span) String() string {
	var b []byte
	u := uint64(s)
	if s < 0 {
		b = append(b, '-')
		u = -u
	}
	if days := u / uint64(Day); days > 0 {
		b = strconv.AppendUint(b, days, 10)
		b = append(b, '.')
	}
	b = two(b, u/uint64(Hour)%24)
	b = append(b, ':')
	b = two(b, u/uint64(Minute)%60)
	b = append(b, ':')
	b = two(b, u/uint64(Second)%60)
	if f := u % uint64(Second); f > 0 {
		frac := strconv.FormatUint(f+uint64(Second), 10)
		b = append(b, '.')
		b = append(b, frac[1:]...)
	}
	return string(b)
}

func two(b []byte, n uint64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// layouts are the forms of a datetime that Kusto reads, most usual first. Go accepts a fraction after the seconds of each.
var layouts = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05",
	"2006-01-02",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02 15:04Z07:00",
	"2006-01-02 15:04",
	"2006-01-02T15",
	"2006-01-02 15",
	"2006-1-2 15:4:5",
	"2006-1-2",
	"2006-01",
	"2006",
	"20060102",
	"20060102150405",
	"1/2/2006 15:04:05",
	"1/2/2006 3:04:05 PM",
	"1/2/2006 15:04",
	"1/2/2006",
	"2006/1/2 15:04:05",
	"2006/1/2",
	"1-2-2006 15:04:05",
	"1-2-2006",
	"Mon, 2 Jan 2006 15:04:05 MST",
	"Mon, 2 Jan 2006 15:04:05 -0700",
	"Monday, 02-Jan-06 15:04:05 MST",
	"Mon Jan _2 15:04:05 2006",
	"2 Jan 2006 15:04:05",
	"2 Jan 2006 15:04",
	"2 Jan 2006",
	"Jan 2, 2006 15:04:05",
	"Jan 2, 2006",
}

// ParseDateTime reads a datetime in one of the forms that Kusto documents: ISO 8601, RFC 822 and 850, and month-first dates with
// slashes or dashes. Without a zone it is UTC.
func ParseDateTime(s string) (Ticks, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 4 || len(s) > 64 {
		return 0, false
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			if y := t.UTC().Year(); y < 1 || y > 9999 {
				return 0, false
			}
			return FromTime(t), true
		}
	}
	return 0, false
}

// ParseSpan reads a timespan: [-][d.]hh:mm[:ss[.fffffff]], a number of days, or a number with a unit as literals have it ("1.5h").
func ParseSpan(s string) (Span, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, false
	}
	neg := s[0] == '-'
	if neg || s[0] == '+' {
		s = s[1:]
	}
	ticks, ok := parseUnit(s)
	if !ok {
		ticks, ok = parseClock(s)
	}
	if !ok {
		return 0, false
	}
	if neg {
		ticks = -ticks
	}
	return Span(ticks), true
}

// units are the suffixes of timespan literals, in ticks.
var units = map[string]int64{
	"d": Day, "day": Day, "days": Day,
	"h": Hour, "hr": Hour, "hrs": Hour, "hour": Hour, "hours": Hour,
	"m": Minute, "min": Minute, "minute": Minute, "minutes": Minute,
	"s": Second, "sec": Second, "second": Second, "seconds": Second,
	"ms": Millisecond, "milli": Millisecond, "millis": Millisecond, "millisec": Millisecond, "millisecond": Millisecond, "milliseconds": Millisecond,
	"micro": Microsecond, "micros": Microsecond, "microsec": Microsecond, "microsecond": Microsecond, "microseconds": Microsecond,
	"nano": 0, "nanos": 0, "nanosec": 0, "nanosecond": 0, "nanoseconds": 0,
	"tick": 1, "ticks": 1,
}

// Unit gives the ticks of a suffix of a timespan literal such as "ms". That of nanoseconds is 0: a hundred of them make a tick.
func Unit(suffix string) (ticks int64, ok bool) {
	ticks, ok = units[suffix]
	return ticks, ok
}

// ScaleUnit gives number units as ticks; false if number is not one or the result does not fit.
func ScaleUnit(number, unit string) (Span, bool) {
	scale, ok := units[unit]
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if scale == 0 {
			return Span(n / 100), true
		}
		if n > math.MaxInt64/scale || n < math.MinInt64/scale {
			return 0, false
		}
		return Span(n * scale), true
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false
	}
	if scale == 0 {
		f /= 100
	} else {
		f *= float64(scale)
	}
	if !(math.Abs(f) < math.MaxInt64) {
		return 0, false
	}
	return Span(math.Round(f)), true
}

func parseUnit(s string) (int64, bool) {
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
		end++
	}
	if end == 0 || strings.HasSuffix(s[:end], ".") {
		return 0, false
	}
	unit := strings.TrimSpace(s[end:])
	if unit == "" {
		if strings.Contains(s, ".") {
			return 0, false
		}
		unit = "d" // a bare number is days
	}
	t, ok := ScaleUnit(s[:end], unit)
	return int64(t), ok
}

// parseClock reads [d.]hh:mm[:ss[.f]].
func parseClock(s string) (int64, bool) {
	var days int64
	if dot := strings.IndexByte(s, '.'); dot >= 0 && strings.IndexByte(s[dot:], ':') >= 0 {
		d, err := strconv.ParseInt(s[:dot], 10, 32)
		if err != nil || d > 10675199 {
			return 0, false
		}
		days, s = d, s[dot+1:]
	}
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	h, ok1 := digits(parts[0], 23)
	m, ok2 := digits(parts[1], 59)
	if !ok1 || !ok2 {
		return 0, false
	}
	ticks := days*Day + h*Hour + m*Minute
	if len(parts) == 3 {
		whole, frac, _ := strings.Cut(parts[2], ".")
		sec, ok := digits(whole, 59)
		if !ok || len(frac) > 7 {
			return 0, false
		}
		ticks += sec * Second
		if frac != "" {
			f, err := strconv.ParseUint(frac+"0000000"[len(frac):], 10, 32)
			if err != nil {
				return 0, false
			}
			ticks += int64(f)
		}
	}
	return ticks, true
}

func digits(s string, most uint64) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n > most {
		return 0, false
	}
	return int64(n), true
}
