//go:build linux

package litmus

import (
	"encoding/binary"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// shape is a litmus test. Each party is a process; all words of a cell begin as 0.
// An outcome is what the parties return, "a,b | c,d" (a second 0 is left out).
type shape struct {
	name    string
	labels  []string // of the pairs in the code that have this shape
	parties []func(*cell) (uint64, uint64)
	allowed map[string]string // every other outcome is forbidden
	forbids string            // what that means
	seen    string            // an outcome that a run must see: the shape is a planted fault
	// An emulator may show it although the processor does not: qemu runs STLR and
	// LDAR as ordinary stores and loads of the host, with no fence between them.
	emulated string
}

// both is what the data of a message reads as if all of it is there.
const both = 11

// write writes data that reads as 11 times n.
func write(c *cell, n uint64) { c.data[0], c.data[1] = 10*n, n }

// read reads the data, what was written last first.
func read(c *cell) uint64 { n := c.data[1]; return n + c.data[0] }

var published = map[string]string{
	"0 | 0":    "it was not published yet",
	"0 | 1,11": "all of it was there",
}

func shapes() []shape {
	list := [][]shape{publications(), exchanges(), dekkers(), sequences(), others(), fencing(), chains(), planted()}
	var all []shape
	for _, l := range list {
		all = append(all, l...)
	}
	return all
}

// look is the party that relies on a word.
func look(c *cell) (uint64, uint64) {
	if c.x.Load() != 1 {
		return 0, 0
	}
	return 1, read(c)
}

// publications are writes of something followed by the store that makes it seen.
func publications() []shape {
	torn := "what was published is not there"
	return []shape{
		{
			name: "Store, Load",
			labels: []string{
				"shm.header.ready", "shm.entry.state", "shm.participant.word", "shm.header.deaths", "shm.header.size",
				"shm.header.state", "ring.slot.word", "ring.queued", "duplex.writePos", "hashmap.freed",
			},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.x.Store(1); return 0, 0 }, look,
			},
			allowed: published, forbids: torn,
		},
		{
			name: "Swap, Load", labels: []string{"shm.header.state"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.x.Swap(1); return 0, 0 }, look,
			},
			allowed: published, forbids: torn,
		},
		{
			name: "CompareAndSwap, Load", labels: []string{"permit.entry", "ring.slot.word", "event.state", "barrier.phase", "barrier.joined", "condition.counts", "duplex.owner"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.x.CompareAndSwap(0, 1); return 0, 0 }, look,
			},
			allowed: published, forbids: torn,
		},
		{
			name: "CompareAndSwap, CompareAndSwap", labels: []string{"robust.free", "robust.allotted", "robust.returned", "permit.tally", "permit.stock"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.x.CompareAndSwap(0, 1); return 0, 0 },
				func(c *cell) (uint64, uint64) {
					if !c.x.CompareAndSwap(1, 2) {
						return 0, 0
					}
					return 1, read(c)
				},
			},
			allowed: published, forbids: "the next holder does not see what the last one did",
		},
		{
			name: "a word, then Add", labels: []string{"ring.late", "ring.slot.late"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.y.Store(1); c.x.Add(1); return 0, 0 },
				func(c *cell) (uint64, uint64) {
					if c.x.Load() != 1 {
						return 0, 0
					}
					if c.y.Load() != 1 {
						return 1, 0
					}
					return 1, read(c)
				},
			},
			allowed: published, forbids: "a message is announced, and not late",
		},
		{
			name: "late, then full", labels: []string{"ring.late"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.x.Add(1); c.y.Store(1); return 0, 0 },
				func(c *cell) (uint64, uint64) { full := c.y.Load(); return full, c.x.Load() },
			},
			allowed: map[string]string{"0 | 0": "neither yet", "0 | 0,1": "late only", "0 | 1,1": "both"},
			forbids: "a newer message is seen, and not that one comes before it",
		},
		{
			name: "a file", labels: []string{"process.mailbox.report"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) {
					return failures(c.writeAt(8, both), c.writeAt(0, 1)), 0
				},
				func(c *cell) (uint64, uint64) {
					n, err := c.readAt(0)
					if n != 1 || err != nil {
						return n, failures(err)
					}
					body, err := c.readAt(8)
					return n, body + failures(err)
				},
			},
			allowed: published, forbids: torn,
		},
	}
}

func failures(errs ...error) uint64 {
	n := uint64(0)
	for _, err := range errs {
		if err != nil {
			n += 1000
		}
	}
	return n
}

func (c *cell) writeAt(off int64, n uint64) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], n)
	_, err := c.file.WriteAt(b[:], c.fileAt+off)
	return err
}

func (c *cell) readAt(off int64) (uint64, error) {
	var b [8]byte
	_, err := c.file.ReadAt(b[:], c.fileAt+off)
	return binary.NativeEndian.Uint64(b[:]), err
}

// exchanges are words that pass memory to and fro.
func exchanges() []shape {
	return []shape{
		{
			name: "reuse", labels: []string{"ring.slot.word", "ring.owner"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) {
					write(c, 1)
					c.x.Store(1)
					for range 40 {
						if c.x.Load() == 3 && c.x.CompareAndSwap(3, 4) {
							write(c, 2)
							c.x.Store(5)
							return 1, 0
						}
					}
					return 0, 0
				},
				func(c *cell) (uint64, uint64) {
					for range 40 {
						if c.x.Load() == 1 && c.x.CompareAndSwap(1, 2) {
							n := read(c)
							c.x.Store(3)
							return 1, n
						}
					}
					return 0, 0
				},
			},
			allowed: map[string]string{
				"0 | 0": "not taken", "0 | 1,11": "taken", "1 | 1,11": "taken, and the memory used again",
			},
			forbids: "a message is torn, or overwritten while it is read",
		},
		{
			name: "two positions", labels: []string{"duplex.writePos", "duplex.readPos"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) {
					write(c, 1)
					c.x.Store(1)
					for range 40 {
						if c.y.Load() == 1 {
							write(c, 2)
							c.x.Store(2)
							return 1, 0
						}
					}
					return 0, 0
				},
				func(c *cell) (uint64, uint64) {
					for range 40 {
						if c.x.Load() != 0 {
							n := read(c)
							c.y.Store(1)
							return 1, n
						}
					}
					return 0, 0
				},
			},
			allowed: map[string]string{
				"0 | 0": "not seen", "0 | 1,11": "read", "1 | 1,11": "read, and the memory used again",
			},
			forbids: "bytes are torn, or overwritten while they are read",
		},
		{
			name: "one claim", labels: []string{"ring.slot.word", "ring.owner", "robust.free", "permit.tally"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { return claim(c.x, 1) },
				func(c *cell) (uint64, uint64) { return claim(c.x, 2) },
			},
			allowed: map[string]string{"1,1 | 0,1": "the first", "0,2 | 1,2": "the second"},
			forbids: "both have it, or none, or they do not agree who",
		},
	}
}

func claim(w *satomic.Uint64, me uint64) (mine, owner uint64) {
	if w.CompareAndSwap(0, me) {
		mine = 1
	}
	return mine, w.Load()
}

var oneSees = map[string]string{
	"0 | 1": "the second sees the first", "1 | 0": "the first sees the second", "1 | 1": "each sees the other",
}

// dekkers are parties that each say something and then look what the other said.
func dekkers() []shape {
	announce := func(c *cell) (uint64, uint64) { c.y.CompareAndSwap(0, 1); return c.x.Load(), 0 }
	lost := "a waiter sleeps, and who changed what it waits for does not wake it"
	return []shape{
		{
			name: "announce, Store", labels: []string{"cell.event.flag", "permit.bell", "ring.slot.word", "duplex.bell"},
			parties: []func(*cell) (uint64, uint64){
				announce, func(c *cell) (uint64, uint64) { c.x.Store(1); return c.y.Load(), 0 },
			},
			allowed: oneSees, forbids: lost, emulated: "0 | 0",
		},
		{
			name: "announce, CompareAndSwap", labels: []string{"cell.event.flag", "permit.bell", "ring.slot.word", "event.state", "barrier.phase", "duplex.bell"},
			parties: []func(*cell) (uint64, uint64){
				announce, func(c *cell) (uint64, uint64) { c.x.CompareAndSwap(0, 1); return c.y.Load(), 0 },
			},
			allowed: oneSees, forbids: lost,
		},
		{
			name: "announce, Publish, let a lock go", labels: []string{"cell.event.flag"},
			parties: []func(*cell) (uint64, uint64){
				announce, func(c *cell) (uint64, uint64) {
					c.x.Publish(1)
					c.z.CompareAndSwap(0, 0)
					return c.y.Load(), 0
				},
			},
			allowed: oneSees, forbids: lost,
		},
		{
			name: "announce, Add", labels: []string{"cell.event.flag", "ring.late", "robust.marks", "rw.reads"},
			parties: []func(*cell) (uint64, uint64){
				announce, func(c *cell) (uint64, uint64) { c.x.Add(1); return c.y.Load(), 0 },
			},
			allowed: oneSees, forbids: lost,
		},
		{
			name: "closing", labels: []string{"ring.closing"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.y.Store(1); return c.x.Load(), 0 },
				func(c *cell) (uint64, uint64) { c.x.CompareAndSwap(0, 1); return c.y.Load(), 0 },
			},
			allowed: oneSees, forbids: "a queue is at its end, and a producer puts to it after that", emulated: "0 | 0",
		},
	}
}

// The parties of a value: cell.Value's algorithm, with x for busy and y for version.

const publicationsOfCell = 3

func publish(c *cell) (uint64, uint64) {
	for n := uint64(1); n <= publicationsOfCell; n++ {
		page := [dataWords]uint64{n, n, n, n}
		c.x.Store(n)
		mem.CopyIn(c.copy(n), &page)
		c.y.Store(n)
	}
	return 0, 0
}

// publishPlainly is publish as a small value does it: by stores that are no fences,
// and then lets the lock z go.
func publishPlainly(c *cell) (uint64, uint64) {
	for n := uint64(1); n <= publicationsOfCell; n++ {
		page := [dataWords]uint64{n, n, n, n}
		c.x.Publish(n)
		mem.CopyIn(c.copy(n), &page)
		c.y.Publish(n)
		c.z.CompareAndSwap(0, 0)
	}
	return 0, 0
}

func (c *cell) copy(n uint64) []satomic.Uint64 {
	at := n & 1 * dataWords
	return c.copies[at : at+dataWords]
}

// loaded returns 1 and the number of a page that was read whole, 2 for one that
// was not, and 0 if the reader knows that it was disturbed.
func loaded(page [dataWords]uint64, version uint64, valid bool) (uint64, uint64) {
	if !valid {
		return 0, 0
	}
	for _, x := range page {
		if x != version {
			return 2, 0
		}
	}
	return 1, version
}

func loadPage(c *cell) (uint64, uint64) {
	var page [dataWords]uint64
	version := c.y.Load()
	mem.CopyOut(&page, c.copy(version))
	return loaded(page, version, c.x.Load()-version <= 1)
}

// loadPageBlindly is loadPage without the check.
func loadPageBlindly(c *cell) (uint64, uint64) {
	var page [dataWords]uint64
	version := c.y.Load()
	mem.CopyOut(&page, c.copy(version))
	return loaded(page, version, true)
}

var wholePages = map[string]string{
	"0 | 0":   "disturbed, and known",
	"0 | 1":   "nothing stored yet",
	"0 | 1,1": "the first", "0 | 1,2": "the second", "0 | 1,3": "the last",
}

// sequences are copies that are checked by a number.
func sequences() []shape {
	return []shape{
		{
			name: "two copies and a version", labels: []string{"hashmap.meta", "hashmap.busy"},
			parties: []func(*cell) (uint64, uint64){publish, loadPage},
			allowed: wholePages, forbids: "a page is torn, or not that of its version",
		},
		{
			name: "two copies and a version, plain", labels: []string{"cell.value.version", "cell.value.busy"},
			parties: []func(*cell) (uint64, uint64){publishPlainly, loadPage},
			allowed: wholePages, forbids: "a page is torn, or not that of its version",
		},
		{
			name: "a note and two words", labels: []string{"vector.parts.sequence"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { // x: sequence, y: the note, z and v: the words
					for n := uint64(1); n <= publicationsOfCell; n++ {
						s := c.x.Load()
						c.y.Store(n)
						c.x.Store(s + 1)
						setWord(c.z, n)
						setWord(c.v, n)
						c.x.Store(s + 2)
					}
					return 0, 0
				},
				func(c *cell) (uint64, uint64) {
					var z, v uint64
					s := c.x.Load()
					if s%2 == 1 {
						z = c.y.Load()
						v = z
					} else {
						z, v = c.z.Load(), c.v.Load()
					}
					if c.x.Load() != s {
						return 0, 0
					}
					if z != v || z != (s+1)/2 {
						return 2, 0
					}
					return 1, z
				},
			},
			allowed: wholePages, forbids: "an element is torn, or an old one",
		},
	}
}

func setWord(w *satomic.Uint64, n uint64) {
	for !w.CompareAndSwap(w.Load(), n) {
	}
}

// others are what all of them rest on.
func others() []shape {
	return []shape{
		{
			name: "one order of two writers", labels: []string{"ring.slot.word", "ring.late"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.x.Store(1); return 0, 0 },
				func(c *cell) (uint64, uint64) { c.y.Store(1); return 0, 0 },
				func(c *cell) (uint64, uint64) { a := c.x.Load(); return a, c.y.Load() },
				func(c *cell) (uint64, uint64) { a := c.y.Load(); return a, c.x.Load() },
			},
			allowed: except(map[string]string{"0 | 0 | 1 | 1": ""}, twoReaders()),
			forbids: "two readers see two stores in opposite orders",
		},
		{
			name: "a word does not go back",
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.x.Store(1); c.x.Store(2); return 0, 0 },
				func(c *cell) (uint64, uint64) { a := c.x.Load(); return a, c.x.Load() },
			},
			allowed: map[string]string{
				"0 | 0": "before", "0 | 0,1": "", "0 | 0,2": "", "0 | 1,1": "", "0 | 1,2": "", "0 | 2,2": "after",
			},
			forbids: "a newer number and then an older one",
		},
	}
}

// twoReaders are all outcomes of two readers of two words.
func twoReaders() map[string]string {
	all := map[string]string{}
	pairs := []string{"0", "0,1", "1", "1,1"}
	for _, a := range pairs {
		for _, b := range pairs {
			all["0 | 0 | "+a+" | "+b] = ""
		}
	}
	return all
}

func except(not, all map[string]string) map[string]string {
	for k := range not {
		delete(all, k)
	}
	return all
}

// planted are shapes with a fault, which a run must see.
func planted() []shape {
	return []shape{
		{
			name: "announce, with plain stores",
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { *c.py = 1; return *c.px, 0 },
				func(c *cell) (uint64, uint64) { *c.px = 1; return *c.py, 0 },
			},
			seen: "0 | 0",
		},
		{
			name:    "two copies and a version that nobody checks",
			parties: []func(*cell) (uint64, uint64){publish, loadPageBlindly},
			seen:    "0 | 2",
		},
		{
			name: "published before it is written",
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.x.Store(1); write(c, 1); return 0, 0 }, look,
			},
			seen: "0 | 1",
		},
	}
}
