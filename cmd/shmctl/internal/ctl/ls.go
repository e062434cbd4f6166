package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-ipc/shoal/shm"
)

// listing is what ls prints.
type listing struct {
	Dir      string    `json:"dir"`
	Segments []summary `json:"segments"`
}

// summary is one segment in a listing. With an Error the rest is unknown.
type summary struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Used     int64     `json:"used"`
	Objects  int       `json:"objects"`
	Alive    int       `json:"alive"`
	Dead     int       `json:"dead"`
	Lifetime string    `json:"lifetime"`
	Created  time.Time `json:"created"`
	Error    string    `json:"error,omitempty"`
}

func (a *app) ls() *cobra.Command {
	return &cobra.Command{
		Use:               "ls",
		Short:             "List the segments",
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			names, err := shm.List(a.user())
			if err != nil {
				return err
			}
			l := listing{Dir: a.folder(), Segments: []summary{}}
			var failed error
			for _, name := range names {
				s, err := a.summarize(c.Context(), name)
				if errors.Is(err, fs.ErrNotExist) {
					continue // gone since
				}
				if err != nil {
					if !errors.Is(err, fs.ErrPermission) { // another user's
						failed = &exitError{code: ExitFailed}
					}
					s = summary{Name: name, Error: err.Error()}
				}
				l.Segments = append(l.Segments, s)
			}
			if err := a.print(l); err != nil {
				return err
			}
			return failed
		},
	}
}

func (a *app) summarize(ctx context.Context, name string) (summary, error) {
	s := summary{Name: name}
	err := a.look(ctx, name, func(seg *shm.Segment) error {
		stat, err := seg.Stat()
		if err != nil {
			return err
		}
		participants, err := seg.Participants()
		if err != nil {
			return err
		}
		objects, err := seg.Objects()
		if err != nil {
			return err
		}
		alive, dead := living(participants)
		s.Size, s.Used, s.Created = stat.Size, stat.Used, stat.Created
		s.Objects, s.Alive, s.Dead = len(objects), len(alive), dead
		s.Lifetime = seg.Spec().Lifetime.String()
		return nil
	})
	return s, err
}

func (l listing) text(w *strings.Builder) {
	if len(l.Segments) == 0 {
		fmt.Fprintf(w, "no segments in %s\n", l.Dir)
		return
	}
	rows := [][]string{{"NAME", "SIZE", "USED", "OBJECTS", "PARTICIPANTS", "LIFETIME", "CREATED"}}
	for _, s := range l.Segments {
		if s.Error != "" {
			rows = append(rows, []string{s.Name, "?", "?", "?", "?", "?", s.Error})
			continue
		}
		rows = append(rows, []string{
			s.Name, bytes(s.Size), bytes(s.Used), fmt.Sprint(s.Objects),
			fmt.Sprintf("%d alive, %d dead", s.Alive, s.Dead), s.Lifetime, date(s.Created),
		})
	}
	table(w, rows)
}
