package config

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// refString is a string that may hold references which only a release can resolve.
type refString struct {
	text, path string
	at         position
}

var (
	reference = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// releaseRefs are the references without a name that a release resolves.
var releaseRefs = []string{"slot", "version", "release"}

// Expand replaces each ${reference} in s by what resolve returns for the text between the braces.
// $${ stands for a literal ${. The first error of resolve is returned with the reference it is about.
func Expand(s string, resolve func(ref string) (string, error)) (string, error) {
	var firstErr error
	out := reference.ReplaceAllStringFunc(s, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		value, err := resolve(match[2 : len(match)-1])
		if err != nil && firstErr == nil {
			firstErr = fmt.Errorf("resolving %s: %w", match, err)
		}
		return value
	})
	if firstErr != nil {
		return "", firstErr
	}
	return out, nil
}

// refsAllowed says whether a path holds what a release fills in, so that references stay as they are.
func refsAllowed(path string) bool {
	return path == "backend.service"
}

// expandEnv replaces ${NAME} by the environment variable NAME.
func (d *document) expandEnv(s, path string) string {
	at := d.valuePlace(path)
	if refsAllowed(path) {
		d.keepRefs(s, at, path)
		return s
	}
	return reference.ReplaceAllStringFunc(s, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		ref := match[2 : len(match)-1]
		at := d.refPlace(at, match)
		kind, name, _ := strings.Cut(ref, ":")
		switch {
		case kind == "vault":
			return d.vaultRef(at, path, match, name)
		case kind == "image" || kind == "secret" || ref == "slot" || ref == "version" || ref == "release":
			d.problem(at, path, "${%s} is only known during a release, so it can stand in values and backend.service, but not in %s", ref, path)
		case !envName.MatchString(ref):
			d.problem(at, path, "%s in %s is no reference; write ${NAME} for the environment variable NAME, or $%s for the text itself", match, path, match)
		default:
			if value := d.getenv(ref); value != "" {
				return value
			}
			d.problem(at, path, "the environment variable %s is not set, and %s refers to it; set it, or write the value itself", ref, path)
		}
		return ""
	})
}

// keepRefs remembers a string of values or backend.service, to be checked when the images are known.
func (d *document) keepRefs(s string, at position, path string) {
	if strings.Contains(s, "${") {
		d.refs = append(d.refs, refString{s, path, at})
	}
}

// refPlace is where a reference stands: exact when it is found on the value's line.
func (d *document) refPlace(at position, match string) position {
	if at.line < 1 || at.line > len(d.lines) {
		return at
	}
	for line := at.line; line <= min(at.line+20, len(d.lines)); line++ {
		text, from := []rune(d.lines[line-1]), 0
		if line == at.line {
			from = min(max(at.column-1, 0), len(text))
		}
		if i := strings.Index(string(text[from:]), match); i >= 0 {
			return position{line, from + len([]rune(string(text[from:])[:i])) + 1}
		}
	}
	return at
}

// checkRefs reports references that no release could resolve.
func (d *document) checkRefs(c *Config) {
	var images []string
	for name := range c.Build.Images {
		images = append(images, name)
	}
	sort.Strings(images)
	for _, r := range d.refs {
		for _, match := range reference.FindAllString(r.text, -1) {
			if strings.HasPrefix(match, "$$") {
				continue
			}
			ref := match[2 : len(match)-1]
			at := d.refPlace(r.at, match)
			kind, name, _ := strings.Cut(ref, ":")
			switch {
			case kind == "vault":
				d.vaultRef(at, r.path, match, name)
			case kind == "secret":
				d.checkSecretRef(c, at, r.path, match, name)
			case kind == "image":
				d.checkImageRef(at, r.path, match, name, images)
			case ref == "slot" || ref == "version" || ref == "release":
			default:
				d.problem(at, r.path, "unknown reference %s in %s%s; write $%s for the text itself", match, r.path,
					didYouMean(ref, append([]string{"image:NAME", "secret:NAME", "vault:NAME"}, releaseRefs...), "references known here"), match)
			}
		}
	}
}

func (d *document) checkImageRef(at position, path, match, name string, images []string) {
	image, part, hasPart := strings.Cut(name, ".")
	if hasPart && part != "repository" && part != "digest" && part != "hex" {
		d.problem(at, path, "%s in %s asks for %q of an image%s", match, path, part, didYouMean(part, []string{"repository", "digest", "hex"}, "parts"))
	}
	for _, known := range images {
		if known == image {
			return
		}
	}
	d.problem(at, path, "%s in %s names an image that build.images does not have%s", match, path, didYouMean(image, images, "images"))
}
