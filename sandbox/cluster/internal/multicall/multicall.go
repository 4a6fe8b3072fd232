// Package multicall lets one binary be many programs.
package multicall

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Applet is one of the programs in the binary.
type Applet struct {
	// Name is the first argument, or the name of the link, that selects it.
	Name string
	// Summary is a few words for the list of applets.
	Summary string
	// Run runs it and returns the exit code. args[0] is the applet's name, so
	// args has the shape that os.Args has for a program of its own. An applet
	// may also end the process itself.
	Run func(args []string) int
}

// ExitUsage is the exit code when no applet, or an unknown one, was named.
const ExitUsage = 2

// Run runs the applet that argv selects and returns its exit code.
//
// The base name of argv[0] selects, when it is an applet's name: that is what
// makes a link named kubectl be kubectl. Otherwise argv[1] does. If neither
// names an applet, nothing is run, the list of applets is written to errw and
// ExitUsage is returned; "help", "-h" and "--help" write the list and return 0.
func Run(program string, applets []Applet, argv []string, errw io.Writer) int {
	if len(argv) > 0 {
		if a, ok := find(applets, filepath.Base(argv[0])); ok {
			return a.Run(append([]string{a.Name}, argv[1:]...))
		}
	}
	if len(argv) < 2 {
		fmt.Fprintf(errw, "%s: no applet named; nothing was started.\n%s", program, list(program, applets))
		return ExitUsage
	}
	name := argv[1]
	if a, ok := find(applets, name); ok {
		return a.Run(append([]string{a.Name}, argv[2:]...))
	}
	switch name {
	case "help", "-h", "--help":
		fmt.Fprint(errw, list(program, applets))
		return 0
	}
	fmt.Fprintf(errw, "%s: unknown applet %q; nothing was started.\n%s", program, name, list(program, applets))
	return ExitUsage
}

func find(applets []Applet, name string) (Applet, bool) {
	for _, a := range applets {
		if a.Name == name {
			return a, true
		}
	}
	return Applet{}, false
}

// list is the usage text.
func list(program string, applets []Applet) string {
	width := 0
	for _, a := range applets {
		width = max(width, len(a.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s APPLET [FLAG…]   (or a link to it with the applet's name)\napplets:\n", program)
	for _, a := range applets {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, a.Name, a.Summary)
	}
	return b.String()
}
