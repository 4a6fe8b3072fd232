package scalar

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

func formatting() []*Func {
	pattern := func(name string, k kind, specifiers map[string]specifier) *Func {
		return define(name, column.String, need(k, text), strs(func(a []*column.Vector, i int) string {
			s, err := format(a[0].Int(i), a[1].Str(i), specifiers)
			if err != nil {
				return "" // of a pattern that is not constant; a constant one has been checked
			}
			return s
		})).named(AutoArg).check(func(consts []*column.Vector) error {
			if p, ok := constText(consts, 1); ok {
				if _, err := format(0, p, specifiers); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
	}
	return []*Func{
		pattern("format_datetime", date, datetimeSpecifiers()),
		pattern("format_timespan", span, timespanSpecifiers()),
		define("format_bytes", column.String, opt(need(number), number, text), strs(formatBytes)).named(AutoArg),
		define("tohex", column.String, opt(need(whole), whole), tohex).named(AutoArg),
	}
}

// specifier renders one run of a letter of a format; value is in ticks.
type specifier func(value int64) string

// delimiters may stand between specifiers.
const delimiters = " /-:,._[]"

func format(value int64, pattern string, specifiers map[string]specifier) (string, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		if strings.IndexByte(delimiters, pattern[i]) >= 0 {
			b.WriteByte(pattern[i])
			i++
			continue
		}
		end := i + 1
		for end < len(pattern) && pattern[end] == pattern[i] {
			end++
		}
		render, ok := specifiers[pattern[i:end]]
		if !ok {
			return "", fmt.Errorf("the format %q has %q, which stands for nothing; other than letters it may have %q", pattern, pattern[i:end], delimiters)
		}
		b.WriteString(render(value))
		i = end
	}
	return b.String(), nil
}

func padded(width int, n int64) string {
	s := strconv.FormatInt(n, 10)
	return strings.Repeat("0", max(width-len(s), 0)) + s
}

// clock gives the specifiers that datetimes and timespans share: hours, minutes, seconds and fractions.
func clock() map[string]specifier {
	all := map[string]specifier{}
	for width, suffix := range []string{1: "", 2: "x"} {
		if width == 0 {
			continue
		}
		run := func(letter string) string { return strings.Repeat(letter, 1+len(suffix)) }
		all[run("H")] = func(v int64) string { return padded(width, v/column.Hour%24) }
		all[run("m")] = func(v int64) string { return padded(width, v/column.Minute%60) }
		all[run("s")] = func(v int64) string { return padded(width, v/column.Second%60) }
	}
	for digits := 1; digits <= 7; digits++ {
		fraction := func(v int64) string { return padded(7, v%column.Second)[:digits] }
		all[strings.Repeat("f", digits)] = fraction
		all[strings.Repeat("F", digits)] = func(v int64) string { return strings.TrimRight(fraction(v), "0") }
	}
	return all
}

func datetimeSpecifiers() map[string]specifier {
	all := clock()
	layout := func(layout string) specifier {
		return func(v int64) string { return column.Ticks(v).Time().Format(layout) }
	}
	for letters, goLayout := range map[string]string{
		"d": "2", "dd": "02", "M": "1", "MM": "01", "yy": "06", "yyyy": "2006", "h": "3", "hh": "03", "tt": "PM",
	} {
		all[letters] = layout(goLayout)
	}
	return all
}

func timespanSpecifiers() map[string]specifier {
	all := map[string]specifier{}
	absolute := func(render specifier) specifier {
		return func(v int64) string { return render(max(v, -v)) }
	}
	for letters, render := range clock() {
		all[letters] = absolute(render)
		if strings.HasPrefix(letters, "H") {
			all[strings.ToLower(letters)] = absolute(render)
		}
	}
	for width := 1; width <= 8; width++ {
		all[strings.Repeat("d", width)] = absolute(func(v int64) string { return padded(width, v/column.Day) })
	}
	return all
}

var byteUnits = []string{"Bytes", "KB", "MB", "GB", "TB", "PB", "EB"}

// formatBytes renders a size in the unit asked for, else in the largest of which there is at least one.
func formatBytes(a []*column.Vector, i int) string {
	size, precision, unit := a[0].Real(i), 0.0, -1
	if len(a) > 1 {
		precision = min(max(a[1].Real(i), 0), 15)
	}
	if len(a) > 2 {
		for k, name := range byteUnits {
			if strings.EqualFold(name, a[2].Str(i)) {
				unit = k
			}
		}
	}
	for k := 0; k != unit && k < len(byteUnits)-1; k++ {
		if unit < 0 && size < 1024 && size > -1024 {
			unit = k
			break
		}
		size /= 1024
		if unit < 0 && k == len(byteUnits)-2 {
			unit = k + 1
			break
		}
	}
	return Display(trimReal(roundTo(size, int64(precision)))) + " " + byteUnits[max(unit, 0)]
}

// trimReal gives a whole real as a whole number.
func trimReal(f float64) column.Value {
	if n, ok := realToLong(f); ok && float64(n) == f {
		return n
	}
	return f
}

// tohex renders the two's complement: 32 bits of an int, 64 of a long.
func tohex(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
	return strs(func(a []*column.Vector, i int) string {
		u := uint64(a[0].Int(i))
		if a[0].Type() == column.Int {
			u = uint64(uint32(u))
		}
		s := strconv.FormatUint(u, 16)
		if len(a) > 1 {
			s = strings.Repeat("0", int(min(max(a[1].Int(i)-int64(len(s)), 0), 64))) + s
		}
		return s
	})(&Context{}, args, n)
}
