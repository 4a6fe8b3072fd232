package scalar

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/kql/column"
)

func regexFunctions() []*Func {
	str, long, dyn := column.String, column.Long, column.Dynamic
	regexAt := func(i int, f *Func) *Func {
		return f.check(func(consts []*column.Vector) error { return checkRegex(consts, i) })
	}
	all := []*Func{
		regexAt(0, define("extract", str, need(text, whole, text), withRegex(0, strRow(func(re *regexp.Regexp, a []*column.Vector, i int) string {
			return group(re, a[2].Str(i), a[1].Int(i))
		})))),
		regexAt(1, define("replace_regex", str, need(text, text, text), withRegex(1, strRow(func(re *regexp.Regexp, a []*column.Vector, i int) string {
			return re.ReplaceAllString(a[0].Str(i), rewriting(a[2].Str(i)))
		})))),
		regexAt(0, define("replace", str, need(text, text, text), withRegex(0, strRow(func(re *regexp.Regexp, a []*column.Vector, i int) string {
			return re.ReplaceAllString(a[2].Str(i), rewriting(a[1].Str(i)))
		})))),
		trimmer("trim_start", true, false), trimmer("trim_end", false, true), trimmer("trim", true, true),
		regexAt(1, define("indexof_regex", long, opt(need(display, display), whole, whole, whole), indexOfRegex)),
		define("regex_quote", str, need(display), strs(func(a []*column.Vector, i int) string { return regexp.QuoteMeta(a[0].Str(i)) })),
		define("countof", long, opt(need(text, text), text), countOf).check(checkCountOf),
	}
	extractAll := &Func{Name: "extract_all", MinArgs: 2, MaxArgs: 3}
	extractAll.Resolve = func(args []column.Type) (column.Type, error) {
		params := need(text, text)
		if len(args) == 3 {
			params = need(text, dynamics, text)
		}
		return define("extract_all", dyn, params, nil).Resolve(args)
	}
	extractAll = regexAt(0, extractAll)
	extractAll.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		pattern := convert(column.String, args[0])
		return once(withRegex(0, allMatches), c, append([]*column.Vector{pattern}, args[1:]...), n)
	}
	return append(all, synonyms(extractAll, "extractall")...)
}

// withRegex makes a kernel that has its regular expression from an argument, compiled once for all rows of the same pattern.
func withRegex(arg int, of func(re func(i int) (*regexp.Regexp, error)) kernel) kernel {
	return func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return of(regexOf(args[arg]))(c, args, n)
	}
}

// regexOf gives the compiled pattern of a row, compiling only when it differs from the row before.
func regexOf(patterns *column.Vector) func(i int) (*regexp.Regexp, error) {
	var last string
	var re *regexp.Regexp
	return func(i int) (*regexp.Regexp, error) {
		pattern := patterns.Str(i)
		if re == nil || pattern != last {
			var err error
			if re, err = compileRegex(pattern); err != nil {
				return nil, err
			}
			last = pattern
		}
		return re, nil
	}
}

func strRow(f func(re *regexp.Regexp, a []*column.Vector, i int) string) func(func(int) (*regexp.Regexp, error)) kernel {
	return func(regexAt func(int) (*regexp.Regexp, error)) kernel {
		return func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
			texts := make([]string, n)
			b := budget{left: c.MaxBytes}
			for i := range texts {
				re, err := regexAt(i)
				if err != nil {
					return nil, err
				}
				texts[i] = f(re, args, i)
				if err := b.take(len(texts[i])); err != nil {
					return nil, err
				}
			}
			return column.NewStrings(texts), nil
		}
	}
}

// group gives a capture group of the first match; 0 is the whole match, and what did not match is "".
func group(re *regexp.Regexp, s string, number int64) string {
	at := re.FindStringSubmatchIndex(s)
	if number < 0 || number >= int64(len(at)/2) || at[2*number] < 0 {
		return ""
	}
	return s[at[2*number]:at[2*number+1]]
}

// rewriting turns Kusto's \1 into Go's ${1}.
func rewriting(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '$':
			b.WriteString("$$")
		case c == '\\' && i+1 < len(pattern) && pattern[i+1] >= '0' && pattern[i+1] <= '9':
			i++
			b.WriteString("${" + pattern[i:i+1] + "}")
		case c == '\\' && i+1 < len(pattern) && pattern[i+1] == '\\':
			i++
			b.WriteByte('\\')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// trimmer removes one match of a regular expression at the start, at the end or at both.
func trimmer(name string, start, end bool) *Func {
	k := func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		var pattern string
		var head, tail *regexp.Regexp
		texts := make([]string, n)
		for i := range texts {
			if p := args[0].Str(i); head == nil || p != pattern {
				var err error
				if _, err = compileRegex(p); err != nil {
					return nil, err
				}
				if head, err = compileRegex(`\A(?:` + p + `)`); err != nil {
					return nil, err
				}
				if tail, err = compileRegex(`(?:` + p + `)\z`); err != nil {
					return nil, err
				}
				pattern = p
			}
			s := args[1].Str(i)
			if start {
				if at := head.FindStringIndex(s); at != nil {
					s = s[at[1]:]
				}
			}
			if end {
				if at := tail.FindStringIndex(s); at != nil {
					s = s[:at[0]]
				}
			}
			texts[i] = s
		}
		return column.NewStrings(texts), nil
	}
	return define(name, column.String, need(text, text), k).check(func(consts []*column.Vector) error { return checkRegex(consts, 0) })
}

// indexOfRegex is indexof_regex(source, regex, start, length, occurrence), in characters; matches do not overlap.
func indexOfRegex(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
	regexAt := regexOf(args[1])
	var failure error
	places, nulls := lift(args, n, func(a []*column.Vector, i int) (int64, bool) {
		re, err := regexAt(i)
		if err != nil {
			failure = err
			return 0, false
		}
		start, length, occurrence := int64(0), int64(-1), int64(1)
		for k, p := range []*int64{&start, &length, &occurrence} {
			if len(a) > k+2 {
				*p = a[k+2].Int(i)
			}
		}
		if start < 0 || length < -1 || occurrence < 1 {
			return 0, false
		}
		part, ok := window(a[0].Str(i), start, length)
		if !ok {
			return -1, true
		}
		matches := re.FindAllStringIndex(part, int(min(occurrence, int64(len(part))+1)))
		if int64(len(matches)) < occurrence {
			return -1, true
		}
		return start + int64(utf8.RuneCountInString(part[:matches[occurrence-1][0]])), true
	})
	return column.NewInts(column.Long, places, nulls), failure
}

func checkCountOf(consts []*column.Vector) error {
	switch kind, ok := constText(consts, 2); {
	case !ok || kind == "normal":
		return nil
	case kind == "regex":
		return checkRegex(consts, 1)
	default:
		return badChoice("third", "countof", kind, "normal", "regex")
	}
}

// countOf counts places: of plain text they may overlap, of a regular expression not.
func countOf(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
	regexAt := regexOf(args[1])
	counts := make([]int64, n)
	for i := range counts {
		source, search := args[0].Str(i), args[1].Str(i)
		if len(args) > 2 && args[2].Str(i) == "regex" {
			re, err := regexAt(i)
			if err != nil {
				return nil, err
			}
			counts[i] = int64(len(re.FindAllStringIndex(source, -1)))
			continue
		}
		for search != "" {
			at := strings.Index(source, search)
			if at < 0 {
				break
			}
			counts[i]++
			source = source[at+1:]
		}
	}
	return column.NewInts(column.Long, counts, nil), nil
}

// allMatches is extract_all: the capture groups of every match. Matches of one group are that group's text, of several an array each;
// without a group it is the whole match.
func allMatches(regexAt func(int) (*regexp.Regexp, error)) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		source := convert(column.String, args[len(args)-1])
		found := make([]column.Value, n)
		for i := range found {
			re, err := regexAt(i)
			if err != nil {
				return nil, err
			}
			groups := wantedGroups(re, args, i)
			var list []column.Value
			s := source.Str(i)
			for _, at := range re.FindAllStringSubmatchIndex(s, -1) {
				texts := make([]string, len(groups))
				for k, g := range groups {
					if at[2*g] >= 0 {
						texts[k] = s[at[2*g]:at[2*g+1]]
					}
				}
				if len(texts) == 1 {
					list = append(list, texts[0])
				} else {
					list = append(list, values(texts))
				}
			}
			if list != nil {
				found[i] = list
			}
		}
		return column.NewDynamics(found), nil
	}
}

// wantedGroups gives the numbers of the groups that extract_all shall give: those asked for by number or name, else all.
func wantedGroups(re *regexp.Regexp, args []*column.Vector, i int) []int {
	var groups []int
	if len(args) == 3 {
		list, _ := args[1].Dyn(i).([]column.Value)
		for _, v := range list {
			g := -1
			switch x := v.(type) {
			case int64:
				g = int(min(x, int64(re.NumSubexp())+1))
			case string:
				g = re.SubexpIndex(x)
			}
			if g >= 0 && g <= re.NumSubexp() {
				groups = append(groups, g)
			}
		}
		return groups
	}
	for g := 1; g <= re.NumSubexp(); g++ {
		groups = append(groups, g)
	}
	if groups == nil {
		groups = []int{0}
	}
	return groups
}
