package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-ipc/shoal/shm"
)

// inspection is what inspect prints.
type inspection struct {
	Segment      segment       `json:"segment"`
	Participants []participant `json:"participants"`
	Objects      []object      `json:"objects"`
}

type segment struct {
	Name            string    `json:"name"`
	Dir             string    `json:"dir"`
	Size            int64     `json:"size"`
	Used            int64     `json:"used"`
	MaxSize         int64     `json:"max_size"`
	MaxParticipants int       `json:"max_participants"`
	Lifetime        string    `json:"lifetime"`
	Created         time.Time `json:"created"`
	Deaths          uint64    `json:"deaths"`
}

type object struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Type    string    `json:"type"`
	Spec    string    `json:"spec"`
	State   string    `json:"state"`
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
	Creator int       `json:"creator"`
	Holds   []hold    `json:"holds"`
}

// hold says that a participant holds something of an object, or waits for it.
type hold struct {
	Slot    int    `json:"slot"`
	PID     int    `json:"pid"`
	Program string `json:"program"`
	Alive   bool   `json:"alive"`
	What    string `json:"what"` // "lock", "permit", "delivery", …; empty if Waiting
	Count   int    `json:"count"`
	Waiting bool   `json:"waiting"`
}

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect SEGMENT [OBJECT]",
		Short: "Show a segment: its participants, its objects, who holds what",
		Args:  usage(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error {
			var in inspection
			err := a.look(c.Context(), args[0], func(seg *shm.Segment) error {
				var err error
				in, err = a.examine(seg)
				return err
			})
			if err != nil {
				return err
			}
			if len(args) == 2 {
				if in.Objects = only(in.Objects, args[1]); len(in.Objects) == 0 {
					return fmt.Errorf("segment %q has no object %q: %w", args[0], args[1], fs.ErrNotExist)
				}
			}
			return a.print(in)
		},
		ValidArgsFunction: a.completeObjects,
	}
}

func (a *app) examine(seg *shm.Segment) (inspection, error) {
	stat, err1 := seg.Stat()
	participants, err2 := seg.Participants()
	objects, err3 := seg.Objects()
	holds, err4 := seg.Holds()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return inspection{}, err
	}
	spec := seg.Spec()
	in := inspection{
		Segment: segment{
			Name: seg.Name(), Dir: a.folder(), Size: stat.Size, Used: stat.Used, MaxSize: spec.MaxSize,
			MaxParticipants: spec.Participants, Lifetime: spec.Lifetime.String(), Created: stat.Created, Deaths: stat.Deaths,
		},
		Participants: newParticipants(participants),
		Objects:      make([]object, 0, len(objects)),
	}
	for _, o := range objects {
		in.Objects = append(in.Objects, object{
			Name: o.Name, Kind: o.Kind, Type: o.Type, Spec: o.Spec, State: o.State,
			Size: o.Size, Created: o.Created, Creator: o.Creator, Holds: holdsOf(o, holds),
		})
	}
	return in, nil
}

func holdsOf(o shm.Object, all []shm.Hold) []hold {
	holds := []hold{}
	for _, h := range all {
		if h.Object == o.Name {
			p := h.Participant
			next := hold{p.Slot, p.PID, p.Exe, p.Alive, h.Kind, h.Count, h.Waiting}
			if h.Waiting {
				next.What = ""
			}
			holds = append(holds, next)
		}
	}
	slices.SortStableFunc(holds, func(a, b hold) int { return cmp.Compare(a.rank(), b.rank()) })
	return holds
}

// rank puts those who hold before those who wait, each in the order of their slots.
func (h hold) rank() int {
	if h.Waiting {
		return math.MaxInt32 + h.Slot
	}
	return h.Slot
}

func only(all []object, name string) []object {
	for _, o := range all {
		if o.Name == name {
			return []object{o}
		}
	}
	return nil
}

func (in inspection) text(w *strings.Builder) {
	s := in.Segment
	fmt.Fprintf(w, "segment %s: %s of at most %s, %s used, %s, created %s, %s so far\n",
		s.Name, bytes(s.Size), bytes(s.MaxSize), bytes(s.Used), s.Lifetime, date(s.Created), plural(int(s.Deaths), "death"))
	fmt.Fprintf(w, "\n%s, at most %d\n", plural(len(in.Participants), "participant"), s.MaxParticipants)
	rows := [][]string{{"SLOT", "PID", "PROGRAM", "UID", "ATTACHED", "STATE"}}
	for _, p := range in.Participants {
		rows = append(rows, []string{
			fmt.Sprint(p.Slot), fmt.Sprint(p.PID), p.Program, fmt.Sprint(p.UID), date(p.Attached), p.state(),
		})
	}
	tableUnlessEmpty(w, rows)
	fmt.Fprintf(w, "\n%s\n", plural(len(in.Objects), "object"))
	rows = [][]string{{"NAME", "KIND", "SIZE", "SPEC", "TYPE", "STATE"}}
	holders := [][]string{{"OBJECT", "KIND", "PARTICIPANT", "STATE", "WHAT"}}
	for _, o := range in.Objects {
		rows = append(rows, []string{o.Name, o.Kind, bytes(o.Size), dash(o.Spec), dash(oneLine(o.Type)), dash(o.State)})
		for _, h := range o.Holds {
			holders = append(holders, h.row(o))
		}
	}
	tableUnlessEmpty(w, rows)
	fmt.Fprintf(w, "\n%d held or waited for\n", len(holders)-1)
	tableUnlessEmpty(w, holders)
}

func (h hold) row(o object) []string {
	p := participant{PID: h.PID, Program: h.Program, Alive: h.Alive}
	what := "holds " + plural(h.Count, h.What)
	if h.Waiting {
		what = "waits (" + plural(h.Count, "goroutine") + ")"
	}
	return []string{o.Name, o.Kind, p.String(), p.state(), what}
}

func tableUnlessEmpty(w *strings.Builder, rows [][]string) {
	if len(rows) > 1 {
		table(w, rows)
	}
}

// oneLine makes a type's description fit into a cell.
func oneLine(s string) string {
	const most = 60
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) completeObjects(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeSegments(c, args, prefix)
	case 1:
		var names []string
		err := a.look(c.Context(), args[0], func(seg *shm.Segment) error {
			objects, err := seg.Objects()
			for _, o := range objects {
				names = append(names, o.Name)
			}
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
