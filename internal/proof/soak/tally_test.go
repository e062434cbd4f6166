//go:build linux

package soak

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tally is what a child counts, in a file that is mapped, so that it is there
// when the process is dead. Each word has one writer: a hand.
type tally []byte

// What is counted, for each hand: how often it began, and how often it was done.
const (
	steps      = iota // anything
	updates           // of the value
	adds              // to the number
	slotAdds          // to a number of the array
	supplies          // permits added to the semaphore of events
	consumes          // and taken
	mapAdds           // to a number in the map
	closes            // segments closed while they were in use
	spaces            // refusals for want of room
	shortages         // refusals for want of descriptors
	stopped           // no count: begun is the process id of a worker that may stand still
	tallyKinds        // how many there are
)

const tallySize = 4096

func openTally(dir string, number int) (tally, error) {
	f, err := os.OpenFile(filepath.Join(dir, "tally-"+strconv.Itoa(number)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(tallySize); err != nil {
		return nil, err
	}
	return syscall.Mmap(int(f.Fd()), 0, tallySize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

// begun and done return the words of a count.
func (t tally) begun(hand, kind int) []byte { return t[(hand*tallyKinds+kind)*16:][:8] }
func (t tally) done(hand, kind int) []byte  { return t[(hand*tallyKinds+kind)*16+8:][:8] }

func number(word []byte) int64 { return int64(binary.LittleEndian.Uint64(word)) }

func change(word []byte, by int64) {
	binary.LittleEndian.PutUint64(word, uint64(number(word)+by)) // one store
}

// account is what one hand counts.
type account struct {
	tally
	hand int
}

// count does what is counted: f either did it n times, or fails and did nothing.
func (a account) count(kind, n int, f func() error) error {
	change(a.begun(a.hand, kind), int64(n))
	err := f()
	if err != nil {
		change(a.begun(a.hand, kind), -int64(n))
		return err
	}
	change(a.done(a.hand, kind), int64(n))
	return nil
}

// note counts what has happened.
func (a account) note(kind int) {
	change(a.begun(a.hand, kind), 1)
	change(a.done(a.hand, kind), 1)
}

// set writes down x, which is no count.
func (a account) set(kind int, x int64) {
	word := a.begun(a.hand, kind)
	change(word, x-number(word))
}

// sum is how much was done for sure, and at most.
type sum struct{ done, begun int64 }

func (s sum) allows(n int64) bool { return s.done <= n && n <= s.begun }

// sums adds up what the hands that ok accepts have counted in all tallies of dir.
func sums(dir string, ok func(hand int) bool) ([tallyKinds]sum, error) {
	var all [tallyKinds]sum
	entries, err := os.ReadDir(dir)
	if err != nil {
		return all, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "tally-") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return all, err
		}
		if len(b) < tallySize {
			continue // its child died before it did anything
		}
		for hand := range hands {
			if !ok(hand) {
				continue
			}
			for kind := range all {
				all[kind].done += number(tally(b).done(hand, kind))
				all[kind].begun += number(tally(b).begun(hand, kind))
			}
		}
	}
	return all, nil
}
