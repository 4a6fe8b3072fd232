package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// FileName is the name of the file that [Load] looks for in a directory.
const FileName = "slipway.yaml"

// maxSize bounds the file in bytes: no honest slipway.yaml comes near it, and it bounds what reading one can cost.
const maxSize = 64 << 10

// maxDepth bounds the nesting, because the parser of the YAML library recurses, and slowly.
const maxDepth = 100

// Load reads the file at path, or slipway.yaml in the directory at path ("" is the working directory), and checks it.
// The bytes are the file as it is, without any reference expanded. getenv reads the environment variables that
// ${NAME} refers to; a variable that is empty counts as unset. Every error about the file is an *[Error].
func Load(path string, getenv func(string) string) (*Config, []byte, error) {
	if path == "" {
		path = FileName
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("finding the working directory: %w", err)
	}
	data, err := readBounded(absolute)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fileError(path, fmt.Sprintf("there is no such file: looked for %s; run in the directory of the service, or name the file or its directory", absolute), err)
	case err != nil:
		var pathErr *fs.PathError
		reason := err.Error()
		if errors.As(err, &pathErr) {
			reason = pathErr.Err.Error()
		}
		return nil, nil, fileError(path, fmt.Sprintf("cannot be read: %s", reason), err)
	}
	c, err := Parse(path, data, getenv)
	if err != nil {
		return nil, nil, err
	}
	c.Dir = filepath.Dir(absolute)
	return c, data, nil
}

// readBounded reads at most a little more than maxSize, so that a wrong file (a device, a disk image) is refused, not read.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(f, maxSize+1)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func fileError(name, message string, cause error) *Error {
	return &Error{Problems: []Problem{{File: name, Message: message}}, Err: cause}
}

// Parse reads and checks the text of one slipway.yaml; name is the file's name in errors. Config.Dir stays empty.
// It finds all problems, not the first only (but a text that is not YAML has one), and an error is always an *[Error].
// Defaults are not filled in: [Config.Environment] and [Config.Gate] do that.
func Parse(name string, data []byte, getenv func(string) string) (*Config, error) {
	return parse(name, data, getenv, "", nil)
}

// parse reads the text with the variables of one environment in place, if value gives them.
func parse(name string, data []byte, getenv func(string) string, environment string, value func(VaultRef) (string, error)) (*Config, error) {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	d := &document{
		file: name, getenv: getenv,
		anchors: map[string]ast.Node{}, at: map[string]position{}, keyAt: map[string]position{},
		resolving: environment, value: value, later: map[string]bool{},
	}
	c := &Config{}
	if body := d.parse(data); body != nil {
		d.decodeConfig(body, c)
		d.validate(c)
	}
	if len(d.problems) > 0 {
		sort.SliceStable(d.problems, func(i, j int) bool {
			a, b := d.problems[i], d.problems[j]
			if a.Line != b.Line {
				return a.Line < b.Line
			}
			return a.Column < b.Column
		})
		return nil, &Error{Problems: d.problems}
	}
	c.source, c.vaultRefs = source{name, data, getenv}, d.vaultRefs
	return c, nil
}

// position is a place in the file; both count from 1.
type position struct{ line, column int }

// document is one file while it is read.
type document struct {
	file     string
	lines    []string
	getenv   func(string) string
	problems []Problem
	anchors  map[string]ast.Node
	visited  int  // nodes decoded so far: bounds what aliases can unfold to
	unfolded bool // a problem with that is recorded
	// at and keyAt are the places of values and of their keys by path.
	at, keyAt map[string]position
	// refs are the strings that may hold references which only a release can resolve.
	refs []refString
	// vaultRefs are the references to variables. value, if it is there, gives those of the environment resolving; later are
	// the paths whose values hold a reference still, so that they cannot be checked yet.
	vaultRefs []VaultRef
	value     func(VaultRef) (string, error)
	resolving string
	later     map[string]bool
}

// problem records one at a place.
func (d *document) problem(at position, path, format string, args ...any) {
	p := Problem{File: d.file, Line: at.line, Column: at.column, Path: path, Message: fmt.Sprintf(format, args...)}
	if at.line >= 1 && at.line <= len(d.lines) {
		p.Source = d.lines[at.line-1]
	}
	d.problems = append(d.problems, p)
}

// parse makes the tree of the file's only document; nil means that problems were recorded.
func (d *document) parse(data []byte) ast.Node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	d.lines = strings.Split(strings.ToValidUTF8(text, "\uFFFD"), "\n")
	if len(data) > maxSize {
		d.problem(position{}, "", "the file is larger than %d KiB; it is not a slipway.yaml", maxSize>>10)
		return nil
	}
	if at, bad := d.badText(text); bad != "" {
		d.problem(at, "", "%s", bad)
		return nil
	}
	file, err := parseYAML(text)
	if err != nil {
		at, message := syntaxError(err)
		if tab := d.tabIndent(); tab.line > 0 {
			at, message = tab, "a tab indents this line; YAML wants spaces"
		}
		d.problem(at, "", "%s", message)
		return nil
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		d.problem(position{}, "", "the file is empty; it needs at least apiVersion, service, registry, build and environments")
		return nil
	case len(bodies) > 1:
		d.problem(nodePosition(bodies[1]), "", "the file holds %d YAML documents; slipway.yaml is one, so put a second service into a file of its own", len(bodies))
		return nil
	}
	return bodies[0]
}

// badText finds what no YAML parser should have to see, with its place.
func (d *document) badText(text string) (position, string) {
	line, column, depth, dashes := 1, 1, 0, 0
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			return position{line, column}, fmt.Sprintf("the byte 0x%02x is not UTF-8; save the file as UTF-8", text[i])
		case r == '\r':
			return position{line, column}, "a carriage return without a line feed; save the file with ordinary line ends"
		case (r < ' ' && r != '\n' && r != '\t') || r == 0x7f:
			return position{line, column}, fmt.Sprintf("the control character U+%04X is not allowed in YAML", r)
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth = max(0, depth-1)
		}
		switch { // "- - - " opens a list in a list in a list
		case (r == '-' || r == '?') && dashes >= 0:
			dashes++
		case r == '\n':
			dashes = 0
		case r != ' ':
			dashes = -1
		}
		if depth > maxDepth || dashes > maxDepth && !strings.HasPrefix(d.lines[line-1], "---") {
			return position{line, column}, fmt.Sprintf("more than %d lists or mappings inside one another", maxDepth)
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return position{}, ""
}

// tabIndent is the place of the first tab that indents a line: the likely cause when a text is not YAML.
func (d *document) tabIndent() position {
	for i, line := range d.lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && len(indent) < len(line) {
			return position{i + 1, tab + 1}
		}
	}
	return position{}
}

// parseYAML shields the caller from a parser that panics: what it cannot read is a syntax error.
func parseYAML(text string) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, err = nil, fmt.Errorf("the YAML parser cannot read this file (%v)", r)
		}
	}()
	return parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
}

var positionPrefix = regexp.MustCompile(`^\[\d+:\d+\] `)

// syntaxError takes the place and the plain words out of an error of the YAML library.
func syntaxError(err error) (position, string) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		at := position{1, 1}
		if syntax.Token != nil && syntax.Token.Position != nil {
			at = position{syntax.Token.Position.Line, syntax.Token.Position.Column}
		}
		return at, "not valid YAML: " + syntax.Message
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return position{}, "not valid YAML: " + positionPrefix.ReplaceAllString(first, "")
}
