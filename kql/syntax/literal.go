package syntax

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

// literalTypes are the words that, with a parenthesis, start a typed literal. dynamic is not: its content is parsed.
var literalTypes = map[string]column.Type{
	"bool": column.Bool, "boolean": column.Bool, "int": column.Int, "long": column.Long, "real": column.Real, "double": column.Real,
	"decimal": column.Decimal, "datetime": column.DateTime, "date": column.DateTime, "time": column.TimeSpan, "timespan": column.TimeSpan,
	"guid": column.GUID,
}

func parseLiteral(t column.Type, raw string) (column.Value, error) {
	if raw == "null" || raw == "" {
		return nil, nil
	}
	if n := len(raw); n >= 2 && (raw[0] == '"' || raw[0] == '\'') && raw[n-1] == raw[0] {
		raw = raw[1 : n-1]
	}
	switch t {
	case column.Bool:
		switch strings.ToLower(raw) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, errors.New("a bool is true, false or null")
	case column.Int, column.Long:
		bits := 64
		if t == column.Int {
			bits = 32
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(raw, "+"), 0, bits)
		if err != nil {
			return nil, errors.New("not a whole number of " + strconv.Itoa(bits) + " bits")
		}
		return n, nil
	case column.Real:
		switch strings.ToLower(raw) {
		case "nan":
			return math.NaN(), nil
		case "+inf", "inf":
			return math.Inf(1), nil
		case "-inf":
			return math.Inf(-1), nil
		}
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, errors.New("not a number")
		}
		return f, nil
	case column.Decimal:
		if len(raw) > 64 {
			return nil, errors.New("more digits than a decimal has")
		}
		d, err := decimal.NewFromString(raw)
		if err != nil || d.Exponent() > 64 || d.Exponent() < -64 {
			return nil, errors.New("not a decimal number")
		}
		return d, nil
	case column.DateTime:
		d, ok := column.ParseDateTime(raw)
		if !ok {
			return nil, errors.New("not a datetime such as 2024-05-01 or 2024-05-01T12:30:00Z")
		}
		return d, nil
	case column.TimeSpan:
		s, ok := column.ParseSpan(raw)
		if !ok {
			return nil, errors.New("not a timespan such as 1h, 1.12:30:00 or 00:05")
		}
		return s, nil
	case column.GUID:
		u, ok := column.ParseUUID(raw)
		if !ok {
			return nil, errors.New("not a guid such as 74be27de-1e4e-49d9-b579-fe0b331d3642")
		}
		return u, nil
	}
	return nil, errors.New("no literal of this type")
}
