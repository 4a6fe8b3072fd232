package scalar

import (
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/kql/column"
)

// maxRepeat is the most often that strrep() repeats, as in Kusto.
const maxRepeat = 1024

func stringFunctions() []*Func {
	str, long, dyn := column.String, column.Long, column.Dynamic
	one := func(name string, f func(s string) string) *Func {
		return define(name, str, need(display), strs(func(a []*column.Vector, i int) string { return f(a[0].Str(i)) }))
	}
	all := []*Func{
		one("toupper", strings.ToUpper),
		one("tolower", strings.ToLower),
		one("reverse", reverse),
		define("strcat", str, many(display), strs(func(a []*column.Vector, i int) string { return strings.Join(row(a, i), "") })),
		define("strcat_delim", str, many(display, need(display, display)...), strs(func(a []*column.Vector, i int) string {
			return strings.Join(row(a[1:], i), a[0].Str(i))
		})),
		define("strcmp", long, need(display, display), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			return int64(strings.Compare(a[0].Str(i), a[1].Str(i))), true
		})),
		define("strrep", str, opt(need(display, whole), display), strs(func(a []*column.Vector, i int) string {
			times := int(min(max(a[1].Int(i), 0), maxRepeat))
			delimiter := ""
			if len(a) > 2 {
				delimiter = a[2].Str(i)
			}
			return strings.Join(slices.Repeat([]string{a[0].Str(i)}, times), delimiter)
		})),
		define("strlen", long, need(text), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			return int64(utf8.RuneCountInString(a[0].Str(i))), true
		})).named(AutoFuncArg),
		define("string_size", long, need(text), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			return int64(len(a[0].Str(i))), true
		})).named(AutoFuncArg),
		define("substring", str, opt(need(display, whole), whole), strs(substring)),
		define("indexof", long, opt(need(display, display), whole, whole, whole), ints(long, indexOf)),
		define("split", dyn, opt(need(display, text), whole), dyns(split)).named(AutoArg),
		define("replace_string", str, need(text, text, text), strs(func(a []*column.Vector, i int) string {
			if a[1].Str(i) == "" {
				return a[0].Str(i)
			}
			return strings.ReplaceAll(a[0].Str(i), a[1].Str(i), a[2].Str(i))
		})),
		define("replace_strings", str, need(text, dynamics, dynamics), strs(replaceStrings)),
		define("translate", str, need(text, text, text), strs(func(a []*column.Vector, i int) string {
			return translate(a[0].Str(i), a[1].Str(i), a[2].Str(i))
		})),
		define("has_any_index", long, need(text, dynamics), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			list, ok := a[1].Dyn(i).([]column.Value)
			for k, needle := range list {
				if hasTerm(Display(needle), false, true, true)(a[0].Str(i)) {
					return int64(k), true
				}
			}
			return -1, ok
		})),
		define("isascii", column.Bool, need(display), bools(func(a []*column.Vector, i int) (bool, bool) {
			return isASCII(a[0].Str(i)), true
		})),
		define("isutf8", column.Bool, need(display), bools(func(a []*column.Vector, i int) (bool, bool) {
			return utf8.ValidString(a[0].Str(i)), true
		})),
		define("parse_csv", dyn, need(text), dyns(func(a []*column.Vector, i int) column.Value { return parseCSV(a[0].Str(i)) })).named(AutoArg),
		define("parse_command_line", dyn, need(display, text), dyns(func(a []*column.Vector, i int) column.Value {
			return values(commandLine(a[0].Str(i)))
		})).check(func(consts []*column.Vector) error {
			if parser, ok := constText(consts, 1); ok && parser != "windows" {
				return fmt.Errorf(`the second argument of parse_command_line must be "windows", not %q`, parser)
			}
			return nil
		}),
		define("to_utf8", dyn, need(display), dyns(codePoints)),
	}
	all = append(all, define("unicode_codepoints_from_string", dyn, need(display), dyns(codePoints)))
	all = append(all, synonyms(define("make_string", str, many(wholes), strs(makeString)), "unicode_codepoints_to_string")...)
	return append(all, synonyms(define("strcat_array", str, need(dynamics, display), strs(func(a []*column.Vector, i int) string {
		list, _ := a[0].Dyn(i).([]column.Value)
		return strings.Join(displays(list), a[1].Str(i))
	})), "array_strcat")...)
}

// row gives row i of string arguments.
func row(a []*column.Vector, i int) []string {
	parts := make([]string, len(a))
	for k, v := range a {
		parts[k] = v.Str(i)
	}
	return parts
}

func displays(list []column.Value) []string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = Display(v)
	}
	return texts
}

// values makes a dynamic array of strings.
func values(texts []string) column.Value {
	list := make([]column.Value, len(texts))
	for i, s := range texts {
		list[i] = s
	}
	return list
}

func reverse(s string) string {
	letters := []rune(s)
	slices.Reverse(letters)
	return string(letters)
}

// substring counts in characters; a negative start counts from the end.
func substring(a []*column.Vector, i int) string {
	s, start := a[0].Str(i), a[1].Int(i)
	count := int64(utf8.RuneCountInString(s))
	if start < 0 {
		start = max(start+count, 0)
	}
	end := count
	if len(a) > 2 {
		length := a[2].Int(i)
		if length < 0 {
			return ""
		}
		if length < count-start {
			end = start + length
		}
	}
	if start >= end {
		return ""
	}
	from, _ := runes(s, int(start))
	size, _ := runes(s[from:], int(end-start))
	return s[from : from+size]
}

// indexOf is indexof(source, lookup, start, length, occurrence), in characters. A negative start counts from the end. As in Kusto what
// is found must start within length characters, and may end behind them.
func indexOf(a []*column.Vector, i int) (int64, bool) {
	source, lookup := a[0].Str(i), a[1].Str(i)
	start, length, occurrence := int64(0), int64(-1), int64(1)
	for k, p := range []*int64{&start, &length, &occurrence} {
		if len(a) > k+2 {
			*p = a[k+2].Int(i)
		}
	}
	count := int64(utf8.RuneCountInString(source))
	if start < 0 {
		start = max(start+count, 0)
	}
	if occurrence < 1 || length < -1 {
		return 0, false
	}
	rest, ok := window(source, start, -1)
	if !ok {
		return -1, true
	}
	last := int64(math.MaxInt64)
	if length >= 0 {
		last = start + length - 1
	}
	for {
		at := strings.Index(rest, lookup)
		if at < 0 {
			return -1, true
		}
		start += int64(utf8.RuneCountInString(rest[:at]))
		if start > last {
			return -1, true
		}
		if occurrence--; occurrence == 0 {
			return start, true
		}
		_, size := utf8.DecodeRuneInString(rest[at:])
		if size == 0 {
			return -1, true
		}
		rest = rest[at+size:]
		start++
	}
}

// window gives length characters of s from the start-th on; -1 is all of them.
func window(s string, start, length int64) (string, bool) {
	if start > int64(len(s)) {
		return "", false
	}
	from, ok := runes(s, int(start))
	if !ok {
		return "", false
	}
	s = s[from:]
	if length >= 0 && length < int64(len(s)) {
		if size, ok := runes(s, int(length)); ok {
			s = s[:size]
		}
	}
	return s, true
}

func split(a []*column.Vector, i int) column.Value {
	parts := []string{a[0].Str(i)}
	if delimiter := a[1].Str(i); delimiter != "" {
		parts = strings.Split(parts[0], delimiter)
	}
	if len(a) > 2 {
		at := a[2].Int(i)
		if at < 0 || at >= int64(len(parts)) {
			return []column.Value{}
		}
		parts = parts[at : at+1]
	}
	return values(parts)
}

// replaceStrings looks for the lookups one after the other. What one has found, later ones do not see. A replacement that is no
// string leaves what was found as it is.
func replaceStrings(a []*column.Vector, i int) string {
	lookups, _ := a[1].Dyn(i).([]column.Value)
	rewrites, _ := a[2].Dyn(i).([]column.Value)
	type piece struct {
		text string
		done bool
	}
	pieces := []piece{{text: a[0].Str(i)}}
	for k, lookup := range lookups {
		needle := Display(lookup)
		if needle == "" || k >= len(rewrites) {
			continue
		}
		rewrite, ok := rewrites[k].(string)
		if !ok {
			rewrite = needle
		}
		var next []piece
		for _, p := range pieces {
			for !p.done {
				before, after, found := strings.Cut(p.text, needle)
				if !found {
					break
				}
				next = append(next, piece{text: before}, piece{rewrite, true})
				p.text = after
			}
			next = append(next, p)
		}
		pieces = next
	}
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// translate replaces each character of the search list by the one at its place in the replacement list, which is extended with its
// last character; with an empty replacement list the characters are removed.
func translate(search, replacement, source string) string {
	from, to := []rune(search), []rune(replacement)
	return strings.Map(func(r rune) rune {
		k := slices.Index(from, r)
		switch {
		case k < 0:
			return r
		case len(to) == 0:
			return -1
		}
		return to[min(k, len(to)-1)]
	}, source)
}

// parseCSV gives the fields of the first record.
func parseCSV(s string) column.Value {
	r := csv.NewReader(strings.NewReader(s))
	r.LazyQuotes = true
	fields, err := r.Read()
	if err != nil {
		return values([]string{s})
	}
	return values(fields)
}

// commandLine splits as Windows does (CommandLineToArgvW): quotes group, and backslashes escape only before a quote.
func commandLine(s string) []string {
	var args []string
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		var b strings.Builder
		quoted := false
		for s != "" && (quoted || s[0] != ' ' && s[0] != '\t') {
			slashes := len(s) - len(strings.TrimLeft(s, `\`))
			if rest := s[slashes:]; strings.HasPrefix(rest, `"`) {
				b.WriteString(strings.Repeat(`\`, slashes/2))
				if slashes%2 == 1 {
					b.WriteByte('"')
				} else {
					quoted = !quoted
				}
				s = rest[1:]
				continue
			}
			size := max(slashes, 1)
			b.WriteString(s[:size])
			s = s[size:]
		}
		args = append(args, b.String())
	}
	return args
}

func codePoints(a []*column.Vector, i int) column.Value {
	list := []column.Value{}
	for _, r := range a[0].Str(i) {
		list = append(list, int64(r))
	}
	return list
}

func makeString(a []*column.Vector, i int) string {
	var b strings.Builder
	for _, v := range candidates(a, i) {
		if n, ok := v.(int64); ok && n >= 0 && n <= utf8.MaxRune {
			b.WriteRune(rune(n))
		}
	}
	return b.String()
}
