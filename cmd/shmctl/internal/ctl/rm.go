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

// removal is what rm prints.
type removal struct {
	Removed []string  `json:"removed"`
	Refused []refusal `json:"refused"`
}

// refusal is a segment that rm left alone.
type refusal struct {
	Name   string        `json:"name"`
	Reason string        `json:"reason"`
	Users  []participant `json:"users"` // those that are alive
	code   int
}

func (a *app) rm() *cobra.Command {
	force := false
	c := &cobra.Command{
		Use:   "rm SEGMENT...",
		Short: "Remove segments; exit 3 if one is in use",
		Long: "Remove the names of segments that no live process has open. With --force also of those\n" +
			"that are in use, or cannot be read: processes that have them open keep them, and new\n" +
			"ones no longer find them.",
		Args:              usage(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeSegments,
		RunE: func(c *cobra.Command, names []string) error {
			r := removal{Removed: []string{}, Refused: []refusal{}}
			ask := a.mayRemove
			if force {
				ask = func(_ context.Context, name string) refusal { return refusal{Name: name} }
			}
			for _, name := range names {
				a.removeOne(c.Context(), name, ask, &r)
			}
			if err := a.print(r); err != nil {
				return err
			}
			code := ExitOK
			for _, f := range r.Refused {
				code = max(code, f.code)
				a.complain(fmt.Errorf("%s: %s", f.Name, f.Reason))
			}
			if code != ExitOK {
				return &exitError{code: code}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also if it is in use, or cannot be read")
	return c
}

// removeOne removes a segment unless ask gives a reason not to.
func (a *app) removeOne(ctx context.Context, name string, ask func(context.Context, string) refusal, r *removal) {
	f := ask(ctx, name)
	if f.Reason == "" {
		if err := shm.Remove(name, a.user()); err != nil {
			f = refusal{Name: name, Reason: err.Error(), code: ExitFailed}
		}
	}
	if f.Reason != "" {
		if f.Users == nil {
			f.Users = []participant{}
		}
		r.Refused = append(r.Refused, f)
		return
	}
	r.Removed = append(r.Removed, name)
}

// mayRemove says why a segment should stay; the reason is empty if it need not.
func (a *app) mayRemove(ctx context.Context, name string) refusal {
	f := refusal{Name: name}
	err := a.look(ctx, name, func(seg *shm.Segment) error {
		participants, err := seg.Participants()
		alive, _ := living(participants)
		f.Users = newParticipants(alive)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Reason, f.code = err.Error(), ExitFailed
	case err != nil:
		f.Reason, f.code = fmt.Sprintf("%v (--force removes it all the same)", err), ExitFailed
	case len(f.Users) > 0:
		f.Reason, f.code = "in use by "+list(f.Users), ExitProblem
	}
	return f
}

func list(ps []participant) string {
	names := make([]string, 0, len(ps))
	for _, p := range ps {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

func (r removal) text(w *strings.Builder) {
	for _, name := range r.Removed {
		w.WriteString("removed " + name + "\n")
	}
}
