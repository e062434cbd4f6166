package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-ipc/shoal/shm"
)

// cleaning is what clean prints: what it did, or with --dry-run would do.
type cleaning struct {
	Dir      string     `json:"dir"`
	DryRun   bool       `json:"dry_run"`
	Repaired []repaired `json:"repaired"`
	Removed  []string   `json:"removed"`
	Failed   []failure  `json:"failed"`
}

// repaired is a segment in which dead participants had left something.
type repaired struct {
	Name string        `json:"name"`
	Dead []participant `json:"dead"`
}

// failure is a segment that could not be looked at, or not be cleaned in time.
type failure struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

func (a *app) clean() *cobra.Command {
	dry := false
	c := &cobra.Command{
		Use:   "clean",
		Short: "Repair what dead processes left, and remove what nobody can use any more",
		Long: "Give back what dead processes held (as the next process that opens the segment would),\n" +
			"and remove the segments whose lifetime has ended. A segment that a live process uses is\n" +
			"never removed.",
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			names, err := shm.List(a.user())
			if err != nil {
				return err
			}
			r := cleaning{Dir: a.folder(), DryRun: dry, Repaired: []repaired{}, Removed: []string{}, Failed: []failure{}}
			act := a.cleanOne
			if dry {
				act = a.predict
			}
			for _, name := range names {
				err := act(c.Context(), name, &r)
				// Gone since, or another user's.
				if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
					r.Failed = append(r.Failed, failure{name, err.Error()})
				}
			}
			if !dry {
				a.prune(c.Context(), &r)
			}
			slices.Sort(r.Removed)
			if err := a.print(r); err != nil || len(r.Failed) == 0 {
				return err
			}
			return &exitError{code: ExitFailed}
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	return c
}

// dead returns the participants of a segment that ended without closing it, and
// whether the segment's lifetime has ended with them.
func (a *app) dead(ctx context.Context, name string) (dead []participant, ended bool, err error) {
	err = a.look(ctx, name, func(seg *shm.Segment) error {
		participants, err := seg.Participants()
		if err != nil {
			return err
		}
		alive := 0
		for _, p := range participants {
			if p.Alive {
				alive++
			} else {
				dead = append(dead, newParticipant(p))
			}
		}
		ended = alive == 0 && seg.Spec().Lifetime != shm.Persistent
		return nil
	})
	return dead, ended, err
}

// predict adds what cleanOne and prune would do.
func (a *app) predict(ctx context.Context, name string, r *cleaning) error {
	dead, ended, err := a.dead(ctx, name)
	switch {
	case err != nil:
		return err
	case ended:
		r.Removed = append(r.Removed, name)
	case len(dead) > 0:
		r.Repaired = append(r.Repaired, repaired{name, dead})
	}
	return nil
}

// cleanOne opens a segment in which somebody died, or whose lifetime has ended:
// who opens one repairs it, and finds that one that has ended is not there.
func (a *app) cleanOne(ctx context.Context, name string, r *cleaning) error {
	dead, ended, err := a.dead(ctx, name)
	if err != nil || !ended && len(dead) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	seg, err := shm.Open(ctx, name, a.user())
	if errors.Is(err, fs.ErrNotExist) {
		r.Removed = append(r.Removed, name)
		return nil
	}
	if err != nil {
		return err
	}
	if len(dead) > 0 {
		r.Repaired = append(r.Repaired, repaired{name, dead})
	}
	return seg.Close()
}

// prune removes what has ended without ever having been a whole segment.
func (a *app) prune(ctx context.Context, r *cleaning) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	removed, err := shm.Prune(ctx, a.user())
	for _, name := range removed {
		if !slices.Contains(r.Removed, name) {
			r.Removed = append(r.Removed, name)
		}
	}
	if err != nil {
		r.Failed = append(r.Failed, failure{"", err.Error()})
	}
}

func (r cleaning) text(w *strings.Builder) {
	repair, remove := "repaired", "removed"
	if r.DryRun {
		repair, remove = "would repair", "would remove"
	}
	var rows [][]string
	for _, s := range r.Repaired {
		rows = append(rows, []string{repair, s.Name, "left by " + list(s.Dead)})
	}
	for _, name := range r.Removed {
		rows = append(rows, []string{remove, name, "no process has it open"})
	}
	for _, f := range r.Failed {
		rows = append(rows, []string{"failed", dash(f.Name), f.Error})
	}
	if len(rows) == 0 {
		fmt.Fprintf(w, "nothing to clean in %s\n", r.Dir)
	}
	table(w, rows)
}
