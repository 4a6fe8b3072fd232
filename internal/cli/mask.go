package cli

import (
	"io"
	"os"

	"github.com/slipway-cd/slipway/internal/secret"
)

// newApp puts the masker before everything that is written, before anything is read.
func newApp(p Program) *app {
	a := &app{Program: p, masker: &secret.Masker{}, ci: secret.DetectPlatform(p.Getenv)}
	a.Out, a.Err = a.masker.Writer(p.Out), a.masker.Writer(p.Err)
	return a
}

// learn makes the masker, and the CI system whose log this is, know a secret. The system's agent reads standard error too; it
// is told there because standard output may go to another program (-o json). A file is told nothing.
func (a *app) learn(s secret.Secret) {
	if !a.masker.Add(s) || a.ci == secret.None {
		return
	}
	if info, err := a.Program.Err.Stat(); err != nil || info.Mode().IsRegular() {
		return
	}
	_ = secret.Announce(a.Program.Err, a.ci, s) // an agent that is gone masks nothing, and nothing can be done
}

// flush writes what the masker keeps back.
func (a *app) flush() {
	for _, w := range []io.Writer{a.Out, a.Err} {
		if masked, ok := w.(*secret.Writer); ok {
			_ = masked.Flush() // a reader that is gone
		}
	}
}

// terminal is a file whose writes are masked; the live view asks the file for its size.
type terminal struct {
	*os.File
	masked io.Writer
}

// Write implements io.Writer.
func (t terminal) Write(p []byte) (int, error) { return t.masked.Write(p) }

// WriteString implements io.StringWriter, which os.File would do without the mask.
func (t terminal) WriteString(s string) (int, error) { return t.masked.Write([]byte(s)) }

// ReadFrom implements io.ReaderFrom, for the same reason.
func (t terminal) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{t.masked}, r)
}
