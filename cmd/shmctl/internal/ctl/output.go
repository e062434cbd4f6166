package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/shoal-ipc/shoal/shm"
)

// report is what a command found. Its fields are the JSON form, which is
// documented in docs/shmctl.md and only ever grows; text is the form for people.
type report interface {
	text(w *strings.Builder)
}

// print writes the report in the form that was asked for.
func (a *app) print(r report) error {
	if !a.json {
		var b strings.Builder
		r.text(&b)
		_, err := io.WriteString(a.streams.Out, b.String())
		return err
	}
	e := json.NewEncoder(a.streams.Out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// table writes rows of cells in columns.
func table(w *strings.Builder, rows [][]string) {
	var b strings.Builder
	for _, cells := range rows {
		for i := range cells {
			cells[i] = printable(strings.Join(strings.Fields(cells[i]), " "))
		}
		b.WriteString(strings.Join(cells, "\t") + "\n")
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(tw, b.String()) // a Builder takes everything
	_ = tw.Flush()
}

// printable makes text that another process wrote safe for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return '?'
	}, s)
}

// bytes returns a size for people: "1.5 MiB".
func bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	x, units := float64(n), "KMGTPE"
	i := -1
	for x >= 1<<10 && i < len(units)-1 {
		x /= 1 << 10
		i++
	}
	return fmt.Sprintf("%.1f %ciB", x, units[i])
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// participant is a process that is, or was, attached to a segment.
type participant struct {
	Slot     int       `json:"slot"`
	PID      int       `json:"pid"`
	Program  string    `json:"program"`
	UID      int       `json:"uid"`
	Attached time.Time `json:"attached"`
	Alive    bool      `json:"alive"`
}

func newParticipant(p shm.Participant) participant {
	return participant{p.Slot, p.PID, p.Exe, p.UID, p.Attached, p.Alive}
}

func newParticipants(all []shm.Participant) []participant {
	out := make([]participant, 0, len(all))
	for _, p := range all {
		out = append(out, newParticipant(p))
	}
	return out
}

func (p participant) String() string { return fmt.Sprintf("%d (%s)", p.PID, p.Program) }

func (p participant) state() string {
	if p.Alive {
		return "alive"
	}
	return "dead"
}

// living returns the participants that are alive, and how many are not.
func living(all []shm.Participant) (alive []shm.Participant, dead int) {
	for _, p := range all {
		if p.Alive {
			alive = append(alive, p)
		} else {
			dead++
		}
	}
	return alive, dead
}
