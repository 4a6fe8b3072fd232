package column

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// maxDepth bounds the nesting of JSON, and with it the stack.
const maxDepth = 200

// ParseJSON reads one JSON text as a dynamic. A whole number that fits is int64, any other number float64; bags keep the order of
// their names, and of a name that comes twice the last value. The empty text is null. It is our own because encoding/json has no
// ordered objects, and because columns of JSON text are parsed at query time.
func ParseJSON(text string) (Value, error) {
	p := jsonParser{s: text}
	p.space()
	if p.at == len(p.s) {
		return nil, nil
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.s) {
		return nil, p.unexpected("the end")
	}
	return v, nil
}

type jsonParser struct {
	s  string
	at int
}

func (p *jsonParser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t' || p.s[p.at] == '\n' || p.s[p.at] == '\r') {
		p.at++
	}
}

func (p *jsonParser) unexpected(want string) error {
	if p.at >= len(p.s) {
		return fmt.Errorf("JSON ends where %s is expected", want)
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.at:])
	return fmt.Errorf("JSON has %q at byte %d where %s is expected", r, p.at, want)
}

func (p *jsonParser) value(depth int) (Value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("JSON is nested deeper than %d", maxDepth)
	}
	p.space()
	if p.at >= len(p.s) {
		return nil, p.unexpected("a value")
	}
	switch c := p.s[p.at]; {
	case c == '{':
		return p.bag(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, w := range []struct {
		word string
		v    Value
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if len(p.s)-p.at >= len(w.word) && p.s[p.at:p.at+len(w.word)] == w.word {
			p.at += len(w.word)
			return w.v, nil
		}
	}
	return nil, p.unexpected("a value")
}

func (p *jsonParser) bag(depth int) (Value, error) {
	p.at++
	b := &Bag{}
	if p.space(); p.at < len(p.s) && p.s[p.at] == '}' {
		p.at++
		return b, nil
	}
	for {
		if p.space(); p.at >= len(p.s) || p.s[p.at] != '"' {
			return nil, p.unexpected("a name in quotes")
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if p.space(); p.at >= len(p.s) || p.s[p.at] != ':' {
			return nil, p.unexpected("a colon")
		}
		p.at++
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		b.Set(key, v)
		p.space()
		if p.at < len(p.s) && p.s[p.at] == ',' {
			p.at++
			continue
		}
		if p.at < len(p.s) && p.s[p.at] == '}' {
			p.at++
			return b, nil
		}
		return nil, p.unexpected("a comma or a closing brace")
	}
}

func (p *jsonParser) array(depth int) (Value, error) {
	p.at++
	list := []Value{}
	if p.space(); p.at < len(p.s) && p.s[p.at] == ']' {
		p.at++
		return list, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		p.space()
		if p.at < len(p.s) && p.s[p.at] == ',' {
			p.at++
			continue
		}
		if p.at < len(p.s) && p.s[p.at] == ']' {
			p.at++
			return list, nil
		}
		return nil, p.unexpected("a comma or a closing bracket")
	}
}

func (p *jsonParser) text() (string, error) {
	start := p.at
	escaped := false
	for p.at++; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '\\':
			escaped = true
			p.at++
		case c < ' ':
			return "", p.unexpected("no control character in a string")
		case c == '"':
			p.at++
			if !escaped {
				return p.s[start+1 : p.at-1], nil
			}
			var s string
			if err := json.Unmarshal([]byte(p.s[start:p.at]), &s); err != nil {
				return "", fmt.Errorf("JSON string at byte %d: %w", start, err)
			}
			return s, nil
		}
	}
	p.at = min(p.at, len(p.s))
	return "", p.unexpected("the end of a string")
}

func (p *jsonParser) number() (Value, error) {
	start := p.at
	p.skip('-', '-')
	if p.at < len(p.s) && p.s[p.at] == '0' {
		p.at++
	} else if err := p.digits(); err != nil {
		return nil, err
	}
	whole := true
	if p.skip('.', '.') {
		whole = false
		if err := p.digits(); err != nil {
			return nil, err
		}
	}
	if p.skip('e', 'E') {
		whole = false
		p.skip('+', '-')
		if err := p.digits(); err != nil {
			return nil, err
		}
	}
	num := p.s[start:p.at]
	if whole {
		if n, err := strconv.ParseInt(num, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(num, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, fmt.Errorf("JSON has %q at byte %d, which is no number", num, start)
	}
	return f, nil
}

// skip takes one of two characters if it is next.
func (p *jsonParser) skip(a, b byte) bool {
	if p.at < len(p.s) && (p.s[p.at] == a || p.s[p.at] == b) {
		p.at++
		return true
	}
	return false
}

func (p *jsonParser) digits() error {
	start := p.at
	for p.at < len(p.s) && p.s[p.at] >= '0' && p.s[p.at] <= '9' {
		p.at++
	}
	if p.at == start {
		return p.unexpected("a digit")
	}
	return nil
}

// AppendJSON appends v as JSON text the way Kusto writes a dynamic: compact, datetimes and timespans as strings, numbers that
// JSON does not know as null.
func AppendJSON(b []byte, v Value) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return appendReal(b, v)
	case string:
		return appendQuoted(b, v)
	case Ticks:
		return append(append(append(b, '"'), v.String()...), '"')
	case Span:
		return append(append(append(b, '"'), v.String()...), '"')
	case UUID:
		return append(append(append(b, '"'), v.String()...), '"')
	case decimal.Decimal:
		return append(append(append(b, '"'), v.String()...), '"')
	case []Value:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendJSON(b, x)
		}
		return append(b, ']')
	case *Bag:
		b = append(b, '{')
		for i, k := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, k)
			b = append(b, ':')
			b = AppendJSON(b, v.values[i])
		}
		return append(b, '}')
	}
	panic(fmt.Sprintf("column: a %T is no value", v))
}

// FormatReal writes a real as Kusto does: the shortest digits that read back the same, with ".0" if it is whole.
func FormatReal(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return string(appendReal(nil, f))
}

func appendReal(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	start := len(b)
	if a := math.Abs(f); a != 0 && (a < 1e-5 || a >= 1e15) {
		b = strconv.AppendFloat(b, f, 'E', -1, 64)
		return b
	}
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	for _, c := range b[start:] {
		if c == '.' {
			return b
		}
	}
	return append(b, ".0"...)
}

func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}
