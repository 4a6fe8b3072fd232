package scalar

import (
	"net/url"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

// parsers take a text apart into a bag.
func parsers() []*Func {
	parse := func(name string, f func(s string) column.Value) *Func {
		return define(name, column.Dynamic, need(text), dyns(func(a []*column.Vector, i int) column.Value { return f(a[0].Str(i)) }))
	}
	extractJSON := define("extract_json", column.String, need(text, text), strs(func(a []*column.Vector, i int) string {
		v, err := column.ParseJSON(a[1].Str(i))
		if err != nil {
			return ""
		}
		found, _ := jsonPath(v, a[0].Str(i))
		return Display(found)
	}))
	all := []*Func{parse("parse_path", parsePath), define("parse_version", column.Decimal, need(text), parseVersion)}
	all = append(all, synonyms(extractJSON, "extractjson")...)
	all = append(all, synonyms(parse("parse_url", parseURL), "parseurl")...)
	return append(all, synonyms(parse("parse_urlquery", parseURLQuery), "parseurlquery")...)
}

func bagOf(pairs ...column.Value) *column.Bag {
	bag := &column.Bag{}
	for i := 0; i < len(pairs); i += 2 {
		bag.Set(pairs[i].(string), pairs[i+1])
	}
	return bag
}

// parseURL gives all parts of an address; parts that it does not have are "".
func parseURL(s string) column.Value {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		u = &url.URL{}
	}
	password, _ := u.User.Password()
	return bagOf("Scheme", u.Scheme, "Host", u.Hostname(), "Port", u.Port(), "Path", u.Path,
		"Username", u.User.Username(), "Password", password, "Query Parameters", queryBag(u.RawQuery), "Fragment", u.Fragment)
}

func parseURLQuery(s string) column.Value {
	return bagOf("Query Parameters", queryBag(strings.TrimPrefix(s, "?")))
}

// queryBag keeps the order of the parameters; of one that comes twice the last value.
func queryBag(query string) *column.Bag {
	bag := &column.Bag{}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		bag.Set(unescaped(key), unescaped(value))
	}
	return bag
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// parsePath takes a Windows or Unix path apart.
func parsePath(s string) column.Value {
	scheme, stream, rest := "", "", s
	if before, after, ok := strings.Cut(s, "://"); ok {
		scheme, rest = before, after
	}
	root := ""
	if len(rest) >= 3 && rest[1] == ':' && (rest[2] == '\\' || rest[2] == '/') {
		root = rest[:3]
	}
	if at := strings.LastIndexByte(rest, ':'); at >= len(root) && at > 1 {
		rest, stream = rest[:at], rest[at+1:]
	}
	directory, file := "", rest
	if at := strings.LastIndexAny(rest, `\/`); at >= 0 {
		directory, file = rest[:at], rest[at+1:]
	}
	name := directory
	if at := strings.LastIndexAny(directory, `\/`); at >= 0 {
		name = directory[at+1:]
	}
	extension := ""
	if at := strings.LastIndexByte(file, '.'); at >= 0 {
		extension = file[at+1:]
	}
	return bagOf("Scheme", scheme, "RootPath", root, "DirectoryPath", directory, "DirectoryName", name, "Filename", file,
		"Extension", extension, "AlternateDataStreamName", stream)
}

// parseVersion makes a number that orders versions of up to four parts of up to eight digits.
func parseVersion(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
	values, nulls := lift(args, n, func(a []*column.Vector, i int) (decimal.Decimal, bool) {
		parts := strings.Split(a[0].Str(i), ".")
		if len(parts) > 4 {
			return decimal.Decimal{}, false
		}
		digits := ""
		for k := range 4 {
			part := ""
			if k < len(parts) {
				part = parts[k]
				if part == "" || len(part) > 8 || strings.Trim(part, "0123456789") != "" {
					return decimal.Decimal{}, false
				}
			}
			digits += strings.Repeat("0", 8-len(part)) + part
		}
		d, err := decimal.NewFromString(digits)
		return d, err == nil
	})
	return column.NewDecimals(values, nulls), nil
}

// jsonPath follows a path such as $.a.b[0]['c d'].
func jsonPath(v column.Value, path string) (column.Value, bool) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, false
	}
	for rest != "" && v != nil {
		if rest[0] == '[' && len(rest) > 1 && rest[1] != '\'' && rest[1] != '"' {
			index, after, ok := strings.Cut(rest[1:], "]")
			position, isNumber := parseLong(index)
			if !ok || !isNumber {
				return nil, false
			}
			v, rest = Member(v, position), after
			continue
		}
		end := len(rest)
		if at := strings.IndexAny(rest[1:], ".["); at >= 0 {
			end = at + 1
		}
		if rest[0] == '[' {
			at := strings.IndexByte(rest, ']')
			if at < 0 {
				return nil, false
			}
			end = at + 1
		}
		key := keyPath("$" + rest[:end])
		if len(key) != 1 || key[0] == "$"+rest[:end] {
			return nil, false
		}
		v, rest = Member(v, key[0]), rest[end:]
	}
	return v, true
}
