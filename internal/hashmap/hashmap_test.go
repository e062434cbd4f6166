package hashmap_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// TestHashStays pins the hash, which is part of the layout.
func TestHashStays(t *testing.T) {
	for _, tt := range []struct {
		seed uint64
		key  string
		want uint64
	}{
		{0, "", 0x9047ded1df7b6f86},
		{0, "a", 0xbadcc62def159ea7},
		{1, "a", 0xe519c94cd706db01},
		{7, "four", 0xe0970e4cc8f5aee3},
		{7, "12345678", 0xca0a920812485cbb},
		{7, "0123456789abcdef", 0x475bfc27cdac240a},
		{7, "0123456789abcdefg", 0x3e9db539c1c03bf},
		{7, "a key of more than thirty-two bytes", 0x6e3e4406d620c43},
	} {
		if got := hashmap.Hash(tt.seed, tt.key); got != tt.want {
			t.Errorf("{%d, %q, %#x},", tt.seed, tt.key, got)
		}
	}
}

// TestHashSpreads counts keys in buckets: none has many more than its share.
func TestHashSpreads(t *testing.T) {
	const buckets, keys = 256, 256 * 64
	for name, key := range map[string]func(i int) string{
		"decimal":  func(i int) string { return fmt.Sprintf("client-%d", i) },
		"trailing": func(i int) string { return fmt.Sprintf("%020d", i) },
		"binary":   func(i int) string { return string([]byte{byte(i), byte(i >> 8), 0, 0, 0, 0, 0, 0}) },
		"sparse":   func(i int) string { return string(make([]byte, i%1000)) + fmt.Sprint(i) },
	} {
		var counts [buckets]int
		for i := range keys {
			counts[hashmap.Hash(7, key(i))%buckets]++
		}
		for b, n := range counts {
			if n < 20 || n > 128 {
				t.Errorf("%s: %d keys in bucket %d, want about %d", name, n, b, keys/buckets)
			}
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		spec             hashmap.Spec
		buckets, stripes uint32
		stride, end      int64
	}{
		{hashmap.Spec{Cap: 1, Keys: hashmap.Fixed, Values: hashmap.Fixed}, 1, 1, 64, 128 + 128 + 3*128 + 64},
		{hashmap.Spec{Cap: 1000, KeySize: 16, ValueSize: 8, Keys: hashmap.Encoded, Values: hashmap.Fixed}, 1024, 64, 64, 128 + 64*128 + 8192 + 128 + 4096 + 64000},
		{hashmap.Spec{Cap: 3, KeySize: 9, ValueSize: 9, Keys: hashmap.Encoded, Values: hashmap.Encoded}, 4, 4, 128, 128 + 4*128 + 3*128 + 3*128},
	} {
		buckets, stripes, stride, end := hashmap.Placed(tt.spec)
		if buckets != tt.buckets || stripes != tt.stripes || stride != tt.stride || end != tt.end {
			t.Errorf("%+v: %d buckets, %d stripes, %d a piece, %d in all", tt.spec, buckets, stripes, stride, end)
		}
	}
}

func TestSpecsThatCannotBe(t *testing.T) {
	good := hashmap.Spec{Cap: 1, KeySize: 8, ValueSize: 8, Keys: hashmap.Fixed, Values: hashmap.Fixed}
	stage.Want(t, "a good one", good.Validate(), nil)
	for name, change := range map[string]func(s *hashmap.Spec){
		"no entry":           func(s *hashmap.Spec) { s.Cap = 0 },
		"less":               func(s *hashmap.Spec) { s.Cap = -1 },
		"too many":           func(s *hashmap.Spec) { s.Cap = hashmap.MaxCap + 1 },
		"negative key":       func(s *hashmap.Spec) { s.KeySize = -1 },
		"long key":           func(s *hashmap.Spec) { s.KeySize = 64<<10 + 1 },
		"negative value":     func(s *hashmap.Spec) { s.ValueSize = -1 },
		"long value":         func(s *hashmap.Spec) { s.ValueSize = 1<<30 + 1 },
		"keys of no form":    func(s *hashmap.Spec) { s.Keys = 0 },
		"values of no form":  func(s *hashmap.Spec) { s.Values = 9 },
		"wraps when counted": func(s *hashmap.Spec) { s.Cap = 1 << 62 },
	} {
		s := good
		change(&s)
		if _, err := hashmap.Kind().Size(object.Shape{Spec: s.Pack(), Slots: 1}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	largest := hashmap.Spec{Cap: hashmap.MaxCap, KeySize: 64 << 10, ValueSize: 1 << 30, Keys: hashmap.Encoded, Values: hashmap.Encoded}
	if n, err := hashmap.Kind().Size(object.Shape{Spec: largest.Pack()}); err != nil || n < 1<<59 {
		t.Errorf("the largest one: %d bytes, %v", n, err)
	}
	if _, err := hashmap.Attach(mem.Heap(256), object.Shape{Spec: good.Pack()}); err == nil {
		t.Error("a map lies in less memory than it needs")
	}
}

func TestEntries(t *testing.T) {
	w := newWorld(small)
	a, b, r := w.join(1), w.join(2), w.join(0)
	same, others := w.inChain(3)
	stage.Want(t, "empty", w.is(a, map[string]uint64{}), nil)
	want := map[string]uint64{}
	for i, key := range same {
		stage.Want(t, "Store", w.store(a, key, uint64(i)+1), nil)
		want[key] = uint64(i) + 1
		stage.Want(t, "the map", w.is(b, want), nil)
	}
	stage.Want(t, "Store again", w.store(b, same[1], 9), nil)
	want[same[1]] = 9
	stage.Want(t, "the map", w.is(r, want), nil)
	stage.Want(t, "the last one", w.store(a, others[0], 4), nil)
	want[others[0]] = 4
	if s := w.core.State(); s != "4 of 4 entries" {
		t.Errorf("state %q", s)
	}
	w.isFull(t, b, others[1])
	for _, key := range []string{same[1], same[0], others[0], same[2]} { // in the middle, at an end
		stage.Want(t, "Delete", w.delete(b, key), nil)
		delete(want, key)
		stage.Want(t, "Delete what is not there", w.delete(a, key), nil)
		stage.Want(t, "the map", w.is(a, want), nil)
	}
	w.fill(t, a)
	if n := w.core.Bits(); n != 0 {
		t.Errorf("%d entries are said to be taken", n)
	}
}

// isFull checks that nothing new fits, and that what is there can be changed.
func (w world) isFull(t *testing.T, p party, key string) {
	t.Helper()
	var space *hashmap.Space
	if err := w.store(p, key, 1); !errors.As(err, &space) || space.Need != 1 || space.Free != 0 || space.Limit != "Cap of 4 entries" {
		t.Errorf("Store: %v", err)
	}
	if x, err := w.load(p, key); x != 0 || err != nil {
		t.Errorf("it is there: %d, %v", x, err)
	}
}

func TestSizes(t *testing.T) {
	w := newWorld(hashmap.Spec{Cap: 4, KeySize: 5, ValueSize: 9, Keys: hashmap.Encoded, Values: hashmap.Encoded})
	p := w.join(1)
	ctx := context.Background()
	for _, tt := range []struct {
		key, value string
		limit      string
	}{
		{"", "", ""}, {"12345", "123456789", ""}, {"123456", "", "KeySize"}, {"1", "1234567890", "ValueSize"},
	} {
		err := p.Store(ctx, []byte(tt.key), []byte(tt.value))
		var space *hashmap.Space
		switch {
		case tt.limit != "" && (!errors.As(err, &space) || space.Limit != tt.limit || space.Need != space.Free+1):
			t.Errorf("Store: %v", err)
		case tt.limit == "":
			stage.Want(t, "Store", err, nil)
			b := make([]byte, 9)
			n, err := p.Load([]byte(tt.key), b)
			if string(b[:n]) != tt.value || err != nil {
				t.Errorf("Load: %q, %v", b[:n], err)
			}
		}
	}
	_, err := p.Load([]byte("123456"), make([]byte, 9))
	stage.Want(t, "Load of a key that is too long", err, hashmap.ErrNotFound)
	stage.Want(t, "Delete of a key that is too long", p.Delete(ctx, []byte("123456")), nil)
	if p.Len() != 2 {
		t.Errorf("%d entries", p.Len())
	}
	w.Check(t)
}

func TestRefusals(t *testing.T) {
	w := newWorld(small)
	p, r := w.join(1), w.join(0)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	stage.Want(t, "Store with a context that is done", p.Store(done, []byte("a"), w.value(1)), context.Canceled)
	stage.Want(t, "Delete with a context that is done", p.Delete(done, []byte("a")), context.Canceled)
	stage.Want(t, "Store read-only", w.store(r, "a", 1), fs.ErrPermission)
	stage.Want(t, "Delete read-only", w.delete(r, "a"), fs.ErrPermission)
	held, err := p.Enter(context.Background(), []byte("a"))
	stage.Want(t, "Enter", err, nil)
	q := w.join(2)
	blocked := stage.Async(func() error { return w.store(q, "a", 2) })
	stage.Until(t, "it sleeps", q.Asleep)
	w.Leave(q.Party)
	stage.Want(t, "Store when closed", stage.Await(t, "Store", blocked), fs.ErrClosed)
	stage.Want(t, "Store after it", w.store(q, "a", 2), fs.ErrClosed)
	if holds := w.Held("lock"); holds[1] != 1 || len(holds) != 1 {
		t.Errorf("held: %v", holds)
	}
	w.Leave(p.Party)
	if !held.Closed() {
		t.Error("it is not closed")
	}
	held.Leave()
	if holds := w.Held("lock"); len(holds) != 0 {
		t.Errorf("held: %v", holds)
	}
	stage.Want(t, "the map", w.is(w.join(3), map[string]uint64{}), nil)
}

// TestReadersDoNotWait has a participant hold every lock: who only reads does not
// notice.
func TestReadersDoNotWait(t *testing.T) {
	w := newWorld(small)
	p, r := w.join(1), w.join(2)
	same, others := w.inChain(2)
	stage.Want(t, "Store", w.store(p, same[0], 5), nil)
	for _, key := range []string{same[0], others[0]} {
		e, err := p.Enter(context.Background(), []byte(key))
		stage.Want(t, "Enter", err, nil)
		defer e.Leave()
	}
	if x, err := w.load(r, same[0]); x != 5 || err != nil {
		t.Errorf("Load: %d, %v", x, err)
	}
	if x, err := w.load(r, same[1]); x != 0 || err != nil {
		t.Errorf("Load: %d, %v", x, err)
	}
	if all, err := w.all(r); len(all) != 1 || err != nil {
		t.Errorf("All: %v, %v", all, err)
	}
}

// TestAgainstGo plays random operations with a map and with one of Go.
func TestAgainstGo(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		ops := make([]byte, 2000)
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		script(t, 1+int64(seed), ops)
	}
}

func FuzzScript(f *testing.F) {
	f.Add(uint8(4), []byte("\x00\x01\x02\x40\x41\x80\x81\xc0\xc1"))
	f.Add(uint8(1), []byte("\x00\x80\x01\x81\x02"))
	f.Fuzz(func(t *testing.T, capacity uint8, ops []byte) { script(t, int64(capacity%200)+1, ops) })
}

// script plays an operation for each byte.
func script(t *testing.T, capacity int64, ops []byte) {
	t.Helper()
	w := newWorld(hashmap.Spec{Cap: capacity, KeySize: 8, ValueSize: 24, Keys: hashmap.Encoded, Values: hashmap.Fixed})
	parties := []party{w.join(1), w.join(2)}
	model := map[string]uint64{}
	for i, op := range ops {
		p := parties[i%2]
		key := fmt.Sprint("k", op&63)
		var err error
		_, had := model[key]
		full := !had && int64(len(model)) == capacity
		switch op >> 6 {
		case 0:
			if err = w.store(p, key, uint64(i)); !full {
				model[key] = uint64(i)
			}
		case 1:
			if err = w.add(p, key, uint64(i)); !full {
				model[key] += uint64(i)
			}
		case 2:
			full = false
			err = w.delete(p, key)
			delete(model, key)
		default:
			full = false
			var x uint64
			if x, err = w.load(p, key); x != model[key] {
				t.Fatalf("step %d: key %s is %d, want %d", i, key, x, model[key])
			}
		}
		if space, ok := errors.AsType[*hashmap.Space](err); ok != full || !ok && err != nil {
			t.Fatalf("step %d: %v %v, full: %v", i, err, space, full)
		}
	}
	if err := w.is(parties[0], model); err != nil {
		t.Fatal(err)
	}
}

// TestStorm has several participants change few keys of a map that is often full,
// while others read: every value is whole, no key is there twice, keys that are
// there all the time are always found, and what was added is there.
func TestStorm(t *testing.T) {
	for _, size := range []int64{16, 2048} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { storm(t, size) })
	}
}

func storm(t *testing.T, size int64) {
	w := newWorld(hashmap.Spec{Cap: 12, KeySize: 8, ValueSize: size, Keys: hashmap.Encoded, Values: hashmap.Fixed})
	rounds := 3000
	if testing.Short() || race.Enabled {
		rounds = 300
	}
	stay := []string{"stay0", "stay1", "stay2"}
	for _, key := range stay {
		stage.Want(t, "Store", w.store(w.join(1), key, 1), nil)
	}
	var over atomic.Bool
	var added atomic.Uint64
	var writers, readers sync.WaitGroup
	for slot := range uint32(4) {
		p := w.join(slot + 1)
		writers.Go(func() {
			for i := range rounds {
				key := fmt.Sprint("k", (i*7+int(slot)*5)%16)
				_, full := errors.AsType[*hashmap.Space](w.store(p, key, uint64(i)+1))
				if i%3 == 0 || full {
					if err := w.delete(p, fmt.Sprint("k", (i*5+int(slot))%16)); err != nil {
						t.Error(err)
					}
				}
				if err := w.add(p, stay[i%3], 1); err != nil {
					t.Error(err)
				}
				added.Add(1)
			}
		})
	}
	for slot := range uint32(3) {
		p := w.join(slot) // the first may only read
		readers.Go(func() {
			for i := 0; !over.Load(); i++ {
				if x, err := w.load(p, stay[i%3]); x == 0 || err != nil {
					t.Errorf("%s is %d, %v", stay[i%3], x, err)
					return
				}
				if _, err := w.load(p, fmt.Sprint("k", i%16)); err != nil {
					t.Error(err)
				}
				all, err := w.all(p)
				if err != nil || all[stay[0]] == 0 || all[stay[1]] == 0 || all[stay[2]] == 0 {
					t.Errorf("%v, %v", all, err)
					return
				}
				if n := p.Len(); n < len(stay) || n > 12 {
					t.Errorf("%d entries", n)
				}
				if i%16 == 0 {
					w.Check(t)
				}
			}
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	sum := uint64(0)
	for _, key := range stay {
		x, err := w.load(w.join(1), key)
		stage.Want(t, "Load", err, nil)
		sum += x
	}
	if sum != added.Load()+3 {
		t.Errorf("%d of %d were added", sum-3, added.Load())
	}
	all, err := w.all(w.join(1))
	stage.Want(t, "All", err, nil)
	stage.Want(t, "the map", w.is(w.join(1), all), nil)
	w.fill(t, w.join(1))
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	w := newWorld(small)
	p := w.join(1)
	ctx := context.Background()
	value, key, dst := w.value(1), []byte("key"), make([]byte, 16)
	if n := testing.AllocsPerRun(100, func() {
		_ = p.Store(ctx, key, value)
		_ = p.Store(ctx, key, value)
		_, _ = p.Load(key, dst)
		_ = p.Delete(ctx, key)
		_, _ = p.Load(key, dst)
		_ = p.Len()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBucketNumbers(t *testing.T) {
	x := uint64(0)
	for i := range uint64(10) {
		if x>>28 != i {
			t.Errorf("%#x after %d changes", x, i)
		}
		x = hashmap.NextBucket(x, hashmap.MaxCap)
		if x&hashmap.MaxCap != hashmap.MaxCap {
			t.Errorf("%#x", x)
		}
	}
	if x = hashmap.NextBucket(^uint64(0), 3); x != 3 {
		t.Errorf("%#x after the last number", x)
	}
}
