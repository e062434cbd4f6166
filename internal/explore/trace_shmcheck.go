//go:build shmcheck

package explore

import (
	"fmt"
	"strings"
)

// leg is a part of a schedule in which one body went on.
type leg struct {
	name  string
	steps int
	how   string // it ended, if it could not go on
}

// trace is the schedule for people: who took how many steps.
func (r *run) trace() string {
	var b strings.Builder
	for i, l := range r.told {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.name)
		if l.steps > 0 {
			fmt.Fprintf(&b, " %d", l.steps)
		}
		if l.how != "" {
			b.WriteString(" " + l.how)
		}
	}
	return b.String()
}
