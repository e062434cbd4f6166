package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-ipc/shoal/shm"
)

// verdicts is what check prints.
type verdicts struct {
	Dir      string    `json:"dir"`
	Segments []verdict `json:"segments"`
}

// verdict is what is wrong with one segment. With an Error it could not be checked.
type verdict struct {
	Name     string    `json:"name"`
	Problems []problem `json:"problems"`
	Error    string    `json:"error,omitempty"`
}

// problem is one place that no correct process leaves so.
type problem struct {
	Object string `json:"object"` // empty: the segment's own structures
	Field  string `json:"field"`
	Offset int64  `json:"offset"`
	Got    string `json:"got"`
	Want   string `json:"want"`
}

func (a *app) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check [SEGMENT...]",
		Short: "Verify every structure of the segments; exit 3 if something is wrong",
		Long: "Verify every structure of the segments named, or of all. It takes no lock: what a\n" +
			"process is changing at this moment is judged by the rules that hold in between too.",
		ValidArgsFunction: a.completeSegments,
		RunE: func(c *cobra.Command, names []string) error {
			all := len(names) == 0
			if all {
				var err error
				if names, err = shm.List(a.user()); err != nil {
					return err
				}
			}
			v := verdicts{Dir: a.folder(), Segments: []verdict{}}
			code := ExitOK
			for _, name := range names {
				one, err := a.verify(c.Context(), name)
				switch {
				case all && errors.Is(err, fs.ErrNotExist):
					continue // gone since
				case len(one.Problems) > 0:
					code = ExitProblem
				case err != nil:
					one.Error = err.Error()
					code = max(code, ExitFailed)
				}
				v.Segments = append(v.Segments, one)
			}
			if err := a.print(v); err != nil || code == ExitOK {
				return err
			}
			return &exitError{code: code}
		},
	}
}

// verify checks one segment. The error is why it could not.
func (a *app) verify(ctx context.Context, name string) (verdict, error) {
	v := verdict{Name: name, Problems: []problem{}}
	err := a.look(ctx, name, (*shm.Segment).Check)
	v.Problems = appendProblems(v.Problems, err)
	return v, err
}

// appendProblems appends the corruptions in err, which may be joined ones.
func appendProblems(to []problem, err error) []problem {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			to = appendProblems(to, e)
		}
		return to
	}
	if c, ok := errors.AsType[*shm.CorruptError](err); ok {
		to = append(to, problem{c.Object, c.Field, c.Offset, c.Got, c.Want})
	}
	return to
}

func (v verdicts) text(w *strings.Builder) {
	if len(v.Segments) == 0 {
		fmt.Fprintf(w, "no segments in %s\n", v.Dir)
		return
	}
	rows := [][]string{{"SEGMENT", "OBJECT", "VERDICT"}}
	for _, s := range v.Segments {
		switch {
		case s.Error != "":
			rows = append(rows, []string{s.Name, "-", "not checked: " + s.Error})
		case len(s.Problems) == 0:
			rows = append(rows, []string{s.Name, "-", "ok"})
		}
		for _, p := range s.Problems {
			rows = append(rows, []string{
				s.Name, dash(p.Object), fmt.Sprintf("corrupt: %s at %d is %s, want %s", p.Field, p.Offset, p.Got, p.Want),
			})
		}
	}
	table(w, rows)
}
