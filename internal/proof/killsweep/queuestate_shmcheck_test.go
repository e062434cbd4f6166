//go:build linux && shmcheck

package killsweep

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/shoal-ipc/shoal/queue"
)

// queueSpec has room for short messages in slots, for longer ones in cells, and
// for the longest in granules.
var queueSpec = queue.Spec{Cap: 3, SlotSize: 4096, MaxSize: 9000, Heap: 9000}

// sizes are of messages that lie in a slot, a cell, and granules.
var sizes = []int{50, 3000, 9000}

// text returns the message of that name.
func text(name string, size int) []byte {
	return append([]byte(name+":"), bytes.Repeat([]byte(name), size/len(name))[:size-len(name)-1]...)
}

// nameOf returns the name of a message, or says that it is torn.
func nameOf(b []byte) string {
	name, _, _ := strings.Cut(string(b), ":")
	for _, size := range sizes {
		if len(b) == size && name != "" && bytes.Equal(b, text(name, size)) {
			return name
		}
	}
	return fmt.Sprintf("(torn, %d bytes: %.20q)", len(b), b)
}

// queueState is the messages of a queue, each with a mark for every time that it
// was given back, and those that the victim and the other process have taken.
type queueState struct {
	line, v, p []string
	over       bool
}

func (s queueState) String() string {
	text := strings.Join(s.line, " ") + ", v " + strings.Join(s.v, " ") + ", p " + strings.Join(s.p, " ")
	if s.over {
		text += ", shut down"
	}
	return text
}

func parseQueue(state string) (s queueState) {
	parts := strings.Split(state, ", ")
	s.line = strings.Fields(parts[0])
	s.v = strings.Fields(strings.TrimPrefix(parts[1], "v "))
	s.p = strings.Fields(strings.TrimPrefix(parts[2], "p "))
	s.over = len(parts) > 3
	return s
}

func (s *queueState) of(who string) *[]string {
	if who == "v" {
		return &s.v
	}
	return &s.p
}

func line(messages ...string) string { return queueState{line: messages}.String() }

// changes is a move that f makes, unless it has to wait.
func changes(f func(s *queueState, me string) (said string, ok bool)) move {
	return func(state, me string) []turn {
		s := parseQueue(state)
		said, ok := f(&s, me)
		if !ok {
			return nil
		}
		return []turn{{state: s.String(), said: said}}
	}
}

// enqueues is a move of who puts a message.
func enqueues(name string) move {
	return changes(func(s *queueState, _ string) (string, bool) {
		if len(s.line)+len(s.v)+len(s.p) >= queueSpec.Cap {
			return "", false
		}
		s.line = append(s.line, name)
		return "", true
	})
}

// receives is a move of who is lent the first message.
func receives(state, me string) []turn {
	return changes(func(s *queueState, me string) (string, bool) {
		if len(s.line) == 0 {
			return "", false
		}
		*s.of(me) = append(*s.of(me), s.line[0])
		s.line = s.line[1:]
		return "", true
	})(state, me)
}

// acknowledges is a move of who ends the message that it was lent first, and
// returns its name.
func acknowledges(state, me string) []turn {
	return changes(func(s *queueState, me string) (string, bool) {
		list := s.of(me)
		said := strings.TrimRight((*list)[0], "'")
		*list = (*list)[1:]
		return said, true
	})(state, me)
}

// returns is what becomes of the messages lent to me when it dies, or gives them
// back: they come first, in any order, and have been delivered once more.
func returns(state, me string) []turn {
	s := parseQueue(state)
	var back []string
	for _, name := range *s.of(me) {
		back = append(back, name+"'")
	}
	*s.of(me) = nil
	var turns []turn
	rest := s.line
	for _, order := range orders(back) {
		s.line = slices.Concat(order, rest)
		turns = append(turns, turn{state: s.String()})
	}
	return turns
}

// orders returns the orders of a list.
func orders(list []string) [][]string {
	if len(list) < 2 {
		return [][]string{list}
	}
	var all [][]string
	for i, first := range list {
		for _, rest := range orders(slices.Concat(list[:i], list[i+1:])) {
			all = append(all, append([]string{first}, rest...))
		}
	}
	return all
}
