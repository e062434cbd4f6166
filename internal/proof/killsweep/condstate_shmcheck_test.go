//go:build linux && shmcheck

package killsweep

import "fmt"

// The state of a condition is who holds its mutex ("free" nobody, "poisoned", or
// the name of a process), and whether the flag that is waited for is "up" or
// "down". That somebody is not woken shows by his waiting for ever: in the victim
// and in the other process no sleep ends by itself.
type condState struct{ owner, flag string }

func (s condState) String() string { return s.owner + " " + s.flag }

func parseCond(state string) (s condState) {
	if _, err := fmt.Sscan(state, &s.owner, &s.flag); err != nil {
		panic(err) // a fault of the table
	}
	return s
}

// condMove is a move of f, unless the mutex is poisoned or f has to wait.
func condMove(f func(s *condState, me string) (ok bool)) move {
	return func(state, me string) []turn {
		s := parseCond(state)
		if s.owner == "poisoned" {
			return []turn{{state: state, said: "poisoned", over: true}}
		}
		if !f(&s, me) {
			return nil
		}
		return []turn{{state: s.String()}}
	}
}

// condMoves are what those that wait and those that wake do.
type condMoves struct {
	locks, raises, unlocks move
	waits                  move // unlocks, unless the flag is up
	wakes                  move // locks, when the flag is up
}

func movesOfCond() condMoves {
	locks := func(s *condState, me string) bool {
		ok := s.owner == "free"
		s.owner = me
		return ok
	}
	return condMoves{
		locks: condMove(locks),
		raises: condMove(func(s *condState, _ string) bool {
			s.flag = "up"
			return true
		}),
		unlocks: condMove(func(s *condState, _ string) bool {
			s.owner = "free"
			return true
		}),
		waits: condMove(func(s *condState, _ string) bool {
			if s.flag == "down" {
				s.owner = "free"
			}
			return true
		}),
		wakes: condMove(func(s *condState, me string) bool {
			return s.owner == me || s.flag == "up" && locks(s, me)
		}),
	}
}

// lateOr is m of one who may also give up, as soon as it has the mutex.
func lateOr(m move) move {
	return func(state, me string) []turn {
		turns := m(state, me)
		if s := parseCond(state); s.owner == me || s.owner == "free" {
			s.owner = me
			turns = append(turns, turn{state: s.String(), said: "late"})
		}
		return turns
	}
}

// condDies is what the death of the mutex's owner does.
func condDies(state, me string) []turn {
	s := parseCond(state)
	if s.owner == me {
		s.owner = "poisoned"
	}
	return []turn{{state: s.String()}}
}

// condRepairs are the moves of one that waits, and raises the flag when it repairs
// the mutex.
func condRepairs() []move {
	m := movesOfCond()
	or := func(m move, next func(s condState, me string) []turn) move {
		return func(state, me string) []turn {
			if s := parseCond(state); s.owner == "poisoned" {
				return next(s, me)
			}
			return m(state, me)
		}
	}
	stay := func(s condState, _ string) []turn { return []turn{{state: s.String()}} }
	raise := func(condState, string) []turn { return []turn{{state: "poisoned up"}} }
	lock := func(s condState, me string) []turn { return []turn{{state: condState{me, s.flag}.String()}} }
	return []move{or(m.locks, stay), or(m.waits, stay), or(m.wakes, raise), or(stays, lock), m.unlocks}
}

// condCloses are the moves of one that locks and unlocks, and closes the segment
// while a goroutine of it waits, or has been woken.
func condCloses() []move {
	m := movesOfCond()
	woken := func(state, me string) []turn {
		return append(m.wakes(state, me), turn{state: state, over: true})
	}
	closes := func(state, me string) []turn {
		return append(m.unlocks(state, me), condDies(state, me)...)
	}
	return []move{m.locks, m.unlocks, m.locks, m.unlocks, woken, closes}
}
