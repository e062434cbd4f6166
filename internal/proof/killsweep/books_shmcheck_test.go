//go:build linux && shmcheck

package killsweep

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An outcome is what can be seen when all is over.
type outcome struct {
	state  string
	victim string    // what it said, if it came to its end
	peers  [2]string // what each said
}

func (o outcome) String() string {
	return fmt.Sprintf("state %q, victim %q, peers %q", o.state, o.victim, o.peers)
}

// peerNames are what moves know other processes than the victim by.
var peerNames = [len(outcome{}.peers)]string{"p", "q"}

// actor is one process's part in a scene.
type actor struct {
	name   string
	moves  []move
	dies   move
	killed bool // its moves may end anywhere
}

// scene is what may have happened at once.
type scene struct {
	from   string
	actors []actor // in any order: the victim, "v"; perhaps peers, "p" and "q"; perhaps the relief, "r"
}

// outcomes returns all that can come of a scene, if each move happens at one
// instant, in every order. Whoever has to wait at a move waits.
func (s scene) outcomes() []outcome {
	all, _ := s.explore()
	return all
}

// endless reports whether it can come to somebody waiting for ever.
func (s scene) endless() bool {
	_, stuck := s.explore()
	return stuck
}

func (s scene) explore() (list []outcome, stuck bool) {
	all := map[outcome]bool{}
	seen := map[string]bool{}
	var explore func(p position)
	explore = func(p position) {
		if seen[p.key()] {
			return
		}
		seen[p.key()] = true
		if p.ended(s.actors) {
			all[p.seen] = true
			return
		}
		ways := 0
		for i := range s.actors {
			for _, next := range p.after(s.actors, i) {
				ways++
				explore(next)
			}
		}
		stuck = stuck || ways == 0
	}
	explore(position{seen: outcome{state: s.from}, at: make([]int, len(s.actors))})
	list = slices.SortedFunc(maps.Keys(all), func(a, b outcome) int { return strings.Compare(a.String(), b.String()) })
	return list, stuck
}

// position is how far each actor is.
type position struct {
	seen outcome
	at   []int // moves made; gone: it has ended
}

const gone = -1

func (p position) key() string { return fmt.Sprint(p.seen, p.at) }

func (p position) ended(actors []actor) bool {
	for i := range actors {
		if p.at[i] != gone {
			return false
		}
	}
	return true
}

// after returns the positions that actor i can bring about next.
func (p position) after(actors []actor, i int) []position {
	a := actors[i]
	if p.at[i] == gone {
		return nil
	}
	var list []position
	if a.killed || p.at[i] == len(a.moves) {
		list = append(list, p.end(a, i)...)
	}
	if p.at[i] == len(a.moves) {
		return list
	}
	for _, t := range a.moves[p.at[i]](p.seen.state, a.name) {
		next := position{seen: p.seen, at: slices.Clone(p.at)}
		next.seen.state = t.state
		next.at[i]++
		if t.over {
			next.at[i] = len(a.moves)
		}
		switch {
		case t.said == "":
		case a.name == "v":
			next.seen.victim = t.said
		case slices.Contains(peerNames[:], a.name):
			next.seen.peers[slices.Index(peerNames[:], a.name)] = t.said
		}
		list = append(list, next)
	}
	return list
}

// end returns the positions after the death of actor i, or the end of its part.
func (p position) end(a actor, i int) []position {
	ends := []turn{{state: p.seen.state}}
	if a.dies != nil {
		ends = a.dies(p.seen.state, a.name)
	}
	var list []position
	for _, t := range ends {
		next := position{seen: p.seen, at: slices.Clone(p.at)}
		next.seen.state = t.state
		next.at[i] = gone
		if a.killed {
			next.seen.victim = "" // it told nobody
		}
		list = append(list, next)
	}
	return list
}

// verify says whether got can have come of the scene.
func (s scene) verify(got outcome) error {
	can := s.outcomes()
	if slices.Contains(can, got) {
		return nil
	}
	text := make([]string, len(can))
	for i, o := range can {
		text[i] = o.String()
	}
	return fmt.Errorf("the books do not balance: %s; from %q that can become:\n\t%s", got, s.from, strings.Join(text, "\n\t"))
}
