package scalar

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/kql/column"
)

// matcher tells of a text whether it has what the matcher was made to look for.
type matcher func(s string) bool

// matching gives the operators that look for one text in another, each with its negation.
func matching() []*Func {
	all := []*Func{regexOperator()}
	for name, build := range map[string]func(needle string, cased bool) matcher{
		"contains":   containsText,
		"startswith": startsWith,
		"endswith":   endsWith,
		"has":        func(needle string, cased bool) matcher { return hasTerm(needle, cased, true, true) },
		"hasprefix":  func(needle string, cased bool) matcher { return hasTerm(needle, cased, true, false) },
		"hassuffix":  func(needle string, cased bool) matcher { return hasTerm(needle, cased, false, true) },
	} {
		for _, cased := range []bool{false, true} {
			full := name
			if cased {
				full += "_cs"
			}
			of := func(needle string) (matcher, error) { return build(needle, cased), nil }
			all = append(all, textOperator(full, false, of), textOperator("!"+full, true, of))
		}
	}
	sameFold := func(needle string) (matcher, error) {
		return func(s string) bool { return strings.EqualFold(s, needle) }, nil
	}
	return append(all, textOperator("=~", false, sameFold), textOperator("!~", true, sameFold),
		listOperator("has_any", true), listOperator("has_all", false))
}

func textOperator(name string, negate bool, build func(needle string) (matcher, error)) *Func {
	f := define(name, column.Bool, need(text, text), func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values := make([]bool, n)
		var match matcher
		for i := range values {
			if match == nil || !args[1].IsConst() {
				var err error
				if match, err = build(args[1].Str(i)); err != nil {
					return nil, err
				}
			}
			values[i] = match(args[0].Str(i)) != negate
		}
		return column.NewBools(values, nil), nil
	})
	resolve := f.Resolve
	f.Resolve = func(args []column.Type) (column.Type, error) {
		t, err := resolve(args)
		if err != nil {
			return t, fmt.Errorf("the operator %s is not defined for %s and %s", name, args[0], args[1])
		}
		return t, nil
	}
	return f
}

func regexOperator() *Func {
	return textOperator("matches regex", false, func(pattern string) (matcher, error) {
		re, err := compileRegex(pattern)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}).check(func(consts []*column.Vector) error { return checkRegex(consts, 1) })
}

// compileRegex reads a regular expression. Kusto's are RE2, as Go's are.
func compileRegex(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w", pattern, err)
	}
	return re, nil
}

func checkRegex(consts []*column.Vector, i int) error {
	pattern, ok := constText(consts, i)
	if !ok {
		return nil
	}
	_, err := compileRegex(pattern)
	return err
}

func containsText(needle string, cased bool) matcher {
	find := finder(needle, cased)
	return func(s string) bool { return find(s) >= 0 }
}

func startsWith(needle string, cased bool) matcher {
	if cased {
		return func(s string) bool { return strings.HasPrefix(s, needle) }
	}
	return func(s string) bool {
		head, ok := runes(s, utf8.RuneCountInString(needle))
		return ok && strings.EqualFold(s[:head], needle)
	}
}

func endsWith(needle string, cased bool) matcher {
	if cased {
		return func(s string) bool { return strings.HasSuffix(s, needle) }
	}
	return func(s string) bool {
		at := len(s)
		for range utf8.RuneCountInString(needle) {
			if at == 0 {
				return false
			}
			_, size := utf8.DecodeLastRuneInString(s[:at])
			at -= size
		}
		return strings.EqualFold(s[at:], needle)
	}
}

// runes gives the length in bytes of the first n runes.
func runes(s string, n int) (bytes int, ok bool) {
	for range n {
		if bytes == len(s) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(s[bytes:])
		bytes += size
	}
	return bytes, true
}

// finder gives a function that finds the first place of the needle in a text, or -1.
func finder(needle string, cased bool) func(s string) int {
	if cased {
		return func(s string) int { return strings.Index(s, needle) }
	}
	if !isASCII(needle) {
		// Letters beyond ASCII have their own rules of case, which the regular expressions know.
		pattern := regexp.MustCompile("(?i)" + regexp.QuoteMeta(strings.ToValidUTF8(needle, "\uFFFD")))
		return func(s string) int {
			if at := pattern.FindStringIndex(s); at != nil {
				return at[0]
			}
			return -1
		}
	}
	lower := strings.ToLower(needle)
	return func(s string) int { return indexFold(s, lower) }
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// indexFold finds a lower-case ASCII needle in any case.
func indexFold(s, lower string) int {
	if lower == "" {
		return 0
	}
	for i := 0; i+len(lower) <= len(s); i++ {
		k := 0
		for k < len(lower) && lowerByte(s[i+k]) == lower[k] {
			k++
		}
		if k == len(lower) {
			return i
		}
	}
	return -1
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// hasTerm looks for the needle with a term's edge on the sides asked for. Terms are runs of letters and digits, so that "has" finds
// whole words only: "North America" has "america", but not "amer".
func hasTerm(needle string, cased, left, right bool) matcher {
	if needle == "" {
		return func(string) bool { return true }
	}
	find := finder(needle, cased)
	first, _ := utf8.DecodeRuneInString(needle)
	last, _ := utf8.DecodeLastRuneInString(needle)
	left, right = left && isTerm(first), right && isTerm(last)
	length := utf8.RuneCountInString(needle)
	return func(s string) bool {
		for at := 0; ; {
			i := find(s[at:])
			if i < 0 {
				return false
			}
			start := at + i
			size, ok := runes(s[start:], length) // a needle in another case may have another length in bytes
			if !ok {
				return false
			}
			before, _ := utf8.DecodeLastRuneInString(s[:start])
			after, _ := utf8.DecodeRuneInString(s[start+size:])
			if !(left && start > 0 && isTerm(before)) && !(right && start+size < len(s) && isTerm(after)) {
				return true
			}
			_, step := utf8.DecodeRuneInString(s[start:])
			at = start + step
		}
	}
}

func isTerm(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// listOperator is has_any and has_all: whole terms, in any case.
func listOperator(name string, anyOf bool) *Func {
	f := &Func{Name: name, MinArgs: 2, MaxArgs: -1}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if !text.accepts(args[0]) {
			return column.Invalid, fmt.Errorf("the operator %s is not defined for %s: it looks for terms in a string", name, args[0])
		}
		return column.Bool, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
			values := make([]bool, n)
			source := convert(column.String, args[0])
			fixed := allConst(args[1:])
			var terms []matcher
			for i := range values {
				if i == 0 || !fixed {
					terms = terms[:0]
					for _, needle := range candidates(args[1:], i) {
						terms = append(terms, hasTerm(Display(needle), false, true, true))
					}
				}
				s := source.Str(i)
				values[i] = !anyOf
				for _, has := range terms {
					if has(s) == anyOf {
						values[i] = anyOf
						break
					}
				}
			}
			return column.NewBools(values, nil), nil
		}, c, args, n)
	}
	return f
}

func allConst(args []*column.Vector) bool {
	for _, v := range args {
		if !v.IsConst() {
			return false
		}
	}
	return true
}

// candidates gives the values that row i is looked up in: the arguments, a dynamic array being its elements.
func candidates(args []*column.Vector, i int) []column.Value {
	var all []column.Value
	for _, v := range args {
		x := v.Value(i)
		if list, ok := x.([]column.Value); ok {
			all = append(all, list...)
		} else {
			all = append(all, x)
		}
	}
	return all
}
