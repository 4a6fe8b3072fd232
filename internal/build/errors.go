package build

import (
	"fmt"
	"strings"
)

// UsageError says that what was asked cannot be built: the configuration, the source or this machine is not fit.
// Nothing was pushed.
type UsageError struct {
	// Problems has one sentence for each thing to put right.
	Problems []string
}

func (e *UsageError) Error() string {
	if len(e.Problems) == 1 {
		return "cannot build: " + e.Problems[0] + " (nothing was pushed)"
	}
	return fmt.Sprintf("cannot build, %d problems (nothing was pushed):\n  - %s", len(e.Problems), strings.Join(e.Problems, "\n  - "))
}

// PushError says that a build came to a halt while it was pushing. What was pushed stays in the registry and does
// no harm: nothing refers to it, and the next build finds it there.
type PushError struct {
	// What was being pushed when it failed.
	What string
	// Pushed and NotPushed together are all that was to be pushed.
	Pushed, NotPushed []string
	Err               error
}

func (e *PushError) Error() string {
	pushed := "nothing"
	if len(e.Pushed) > 0 {
		pushed = strings.Join(e.Pushed, ", ")
	}
	return fmt.Sprintf("pushing %s: %v\n  pushed: %s\n  not pushed: %s\n  no bundle was made; `slipway build` again continues with what is missing",
		e.What, e.Err, pushed, strings.Join(e.NotPushed, ", "))
}

func (e *PushError) Unwrap() error { return e.Err }
