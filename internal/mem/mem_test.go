package mem_test

import (
	"errors"
	"math"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
)

type inner struct {
	X, Y int32
}

type order struct {
	ID    uint64
	On    bool
	_     [7]byte
	At    inner
	Lots  [2]inner
	Named struct{}
}

func text[T any](t testing.TB) string {
	t.Helper()
	l, err := mem.LayoutOf(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	if want := reflect.TypeFor[T](); l.Size != int64(want.Size()) || l.Align != int64(want.Align()) {
		t.Errorf("%v: size %d align %d", want, l.Size, l.Align)
	}
	return l.Text
}

func TestText(t *testing.T) {
	type renamed order
	type number float32
	for want, got := range map[string]string{
		"bool":                      text[bool](t),
		"int64":                     text[time.Duration](t),
		"uint64":                    text[uint](t),
		"float32":                   text[number](t),
		"[4]complex128":             text[[4]complex128](t),
		"[2][0]int8":                text[[2][0]int8](t),
		"struct(0){}":               text[struct{}](t),
		"struct(8){v uint64 @0}":    text[atomic.Uint64](t),
		"struct(4){_ @0+2; _ @2+2}": text[struct{ _, _ int16 }](t),
		"struct(48){ID uint64 @0; On bool @8; _ @9+7; At struct(8){X int32 @0; Y int32 @4} @16; " +
			"Lots [2]struct(8){X int32 @0; Y int32 @4} @24; Named struct(0){} @40}": text[renamed](t),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if text[int](t) != text[int64](t) {
		t.Error("int and int64 differ on a 64-bit machine")
	}
}

func TestRefused(t *testing.T) {
	type deep struct {
		A [3]struct {
			B struct{ Name string }
		}
	}
	for _, tt := range []struct {
		err          error
		path, reason string
	}{
		{refusal[*int](t), "", "pointer"},
		{refusal[unsafe.Pointer](t), "", "pointer"},
		{refusal[[0]*int](t), "[]", "pointer"},
		{refusal[any](t), "", "interface"},
		{refusal[func()](t), "", "func"},
		{refusal[chan int](t), "", "chan"},
		{refusal[map[int]int](t), "", "map"},
		{refusal[[]byte](t), "", "slice"},
		{refusal[uintptr](t), "", "uintptr"},
		{refusal[time.Time](t), "", "time.Time"},
		{refusal[sync.Mutex](t), "", "sync.Mutex"},
		{refusal[struct{ Mu sync.RWMutex }](t), "Mu", "sync.RWMutex"},
		{refusal[os.File](t), "", "os.File"},
		{refusal[netip.Addr](t), "z", "unique"},
		{refusal[atomic.Pointer[int]](t), "", ""},
		{refusal[struct{ _ *int }](t), "_", "pointer"},
		{refusal[deep](t), "A[].B.Name", "string"},
	} {
		var e *mem.LayoutError
		if !errors.As(tt.err, &e) {
			t.Errorf("got %v, want a LayoutError", tt.err)
			continue
		}
		if (tt.path != "" && e.Path != tt.path) || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: path %q, reason %q; want %q, %q", e.Type, e.Path, e.Reason, tt.path, tt.reason)
		}
		if !strings.Contains(e.Error(), e.Type) || !strings.Contains(e.Error(), e.Path) {
			t.Errorf("text %q lacks type or path", e)
		}
	}
}

func refusal[T any](t *testing.T) error {
	t.Helper()
	l, err := mem.LayoutOf(reflect.TypeFor[T]())
	if err == nil {
		t.Errorf("%v has the layout %s", reflect.TypeFor[T](), l.Text)
	}
	return err
}

// doubled is a type whose description doubles with each nesting.
type (
	d0 struct{ A, B int8 }
	d3 struct {
		A, B struct{ A, B struct{ A, B d0 } }
	}
	d6 struct {
		A, B struct{ A, B struct{ A, B d3 } }
	}
	d9 struct {
		A, B struct{ A, B struct{ A, B d6 } }
	}
	d12 struct {
		A, B struct{ A, B struct{ A, B d9 } }
	}
)

func TestEndlessDescriptionIsRefused(t *testing.T) {
	err := refusal[d12](t)
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

func TestAgree(t *testing.T) {
	type v1 struct {
		ID uint64
		_  [24]byte
	}
	type v2 struct {
		ID    uint64
		Price float64
		_     [16]byte
	}
	type v2b struct {
		ID  uint64
		_   [16]byte
		Qty uint64
	}
	type nested1 struct {
		A [2]v1
		N v1
	}
	type nested2 struct {
		A [2]v2
		N v2
	}
	type moved struct {
		_  [8]byte
		ID uint64
		_  [16]byte
	}
	type retyped struct {
		ID int64
		_  [24]byte
	}
	type padded struct {
		ID uint64
		B  byte
	}
	type split struct {
		ID uint64
		_  [4]byte
		_  [12]byte
		_  uint64
	}
	type full struct{ ID, X, Y, Z uint64 }
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{text[v1](t), text[v1](t), true},
		{text[v1](t), text[v2](t), true},
		{text[v1](t), text[v2b](t), true},
		{text[v2](t), text[v2b](t), true}, // each lies in the other's blank bytes
		{text[nested1](t), text[nested2](t), true},
		{text[v1](t), text[split](t), true},
		{text[v2](t), text[split](t), true},
		{text[split](t), text[full](t), true},
		{text[v2](t), text[full](t), false},
		{text[v1](t), text[moved](t), false},
		{text[v1](t), text[retyped](t), false},
		{text[v1](t), text[full](t), true},
		{text[struct{ ID, X uint64 }](t), text[padded](t), false}, // padding is not blank
		{text[v1](t), text[[4]uint64](t), false},
		{text[[3]int32](t), text[[4]int32](t), false},
		{text[int32](t), text[uint32](t), false},
		{text[int32](t), text[float32](t), false},
		{text[[2][3]int8](t), text[[3][2]int8](t), false},
		{"cbor", "cbor", true},
		{"cbor", "bytes", false},
		{"bytes", text[v1](t), false},
		{"", "int8", false},
	} {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			field, have, want, ok := mem.Agree(pair[0], pair[1])
			if ok != tt.want {
				t.Errorf("%s and %s: %t", pair[0], pair[1], ok)
			}
			if !ok && (field != "type" || have != pair[0] || want != pair[1]) {
				t.Errorf("%s and %s differ in %q: %q, %q", pair[0], pair[1], field, have, want)
			}
		}
	}
}

func TestAgreeShortensWhatItShows(t *testing.T) {
	_, have, _, ok := mem.Agree(strings.Repeat("x", 1<<20), "int8")
	if ok || len(have) > 5000 {
		t.Errorf("%t, %d bytes", ok, len(have))
	}
}

func TestNormalize(t *testing.T) {
	type flags struct {
		N  uint16
		On bool
		B  [2]struct {
			X byte
			F [3]bool
		}
	}
	l, err := mem.LayoutOf(reflect.TypeFor[flags]())
	if err != nil {
		t.Fatal(err)
	}
	var f flags
	b := mem.BytesOf(&f)
	for i := range b {
		b[i] = 0x80 + byte(i)
	}
	b[6] = 0
	l.Normalize(b)
	// N is at 0, On at 2; of B: X at 3 and 7, F at 4 to 6 and 8 to 10; 11 is padding.
	want := []byte{0x80, 0x81, 1, 0x83, 1, 1, 0, 0x87, 1, 1, 1, 0x8b}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("got  %x\nwant %x", b, want)
	}
	plain, err := mem.LayoutOf(reflect.TypeFor[inner]())
	if err != nil || plain.HasBools() || !l.HasBools() {
		t.Errorf("HasBools: %v", err)
	}
}

func TestElems(t *testing.T) {
	elems(t, []uint8{1, 2, 255, 4, 5, 6, 7, 8, 9})
	elems(t, []int16{-1, 2, 3, 4, 5})
	elems(t, []float32{1, 2.5, float32(math.Inf(1))})
	elems(t, []struct{ A, B uint16 }{{1, 2}, {3, 4}})
	elems(t, []struct{ A, B uint32 }{{1, 2}, {3, 4}})
	elems(t, [][8]byte{{1}, {2, 7: 9}})
	elems(t, [][3]byte{{1, 2, 3}, {4, 5, 6}})
	elems(t, [][2]uint64{{1, 2}, {3, 4}})
	elems(t, []struct{}{{}, {}})
}

func elems[T comparable](t *testing.T, want []T) {
	t.Helper()
	r := mem.Heap(mem.Align(int64(len(want))*mem.SizeOf[T](), 8))
	shared, err := mem.Slice[T](r, 0, int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		mem.StoreElem(&shared[i], want[i])
	}
	for i := range want {
		if got := mem.LoadElem(&shared[i]); got != want[i] {
			t.Errorf("%T %d: got %v, want %v", got, i, got, want[i])
		}
	}
	clear(shared)
	got := make([]T, len(want))
	if n := mem.CopyElemsIn(shared, want); n != len(want) {
		t.Errorf("%d went in", n)
	}
	if n := mem.CopyElemsOut(got, shared); n != len(want) || !reflect.DeepEqual(got, want) {
		t.Errorf("%d: got %v, want %v", n, got, want)
	}
}

func TestNumbers(t *testing.T) {
	numbers[int32](t)
	numbers[int64](t)
	numbers[uint32](t)
	numbers[uint64](t)
	numbers[int](t)
	numbers[uint](t)
	numbers[float32](t)
	numbers[float64](t)
	x := math.Inf(1)
	nan := math.NaN()
	mem.StoreNumber(&x, nan)
	if !mem.CompareAndSwapNumber(&x, nan, 1) || mem.LoadNumber(&x) != 1 {
		t.Error("NaN was not found")
	}
	if !mem.SameNumber(nan, nan) || mem.SameNumber(1.0, 2.0) {
		t.Error("SameNumber")
	}
	u := uint32(0b1100)
	if mem.AndNumber(&u, 0b0110) != 0b1100 || mem.OrNumber(&u, 0b0001) != 0b0100 || u != 0b0101 {
		t.Errorf("u is %b", u)
	}
}

func numbers[T mem.Number](t *testing.T) {
	t.Helper()
	var around [3]T
	p := &around[1]
	mem.StoreNumber(p, 7)
	add := mem.AddInteger[T]
	if mem.IsFloat[T]() {
		add = mem.AddFloat[T]
	}
	minus := T(0)
	minus -= 3
	if got := add(p, minus); got != 4 {
		t.Errorf("%T: 7-3 is %v", got, got)
	}
	if mem.SwapNumber(p, 9) != 4 || mem.CompareAndSwapNumber(p, 4, 5) || !mem.CompareAndSwapNumber(p, 9, 5) || mem.LoadNumber(p) != 5 {
		t.Errorf("%T is %v", *p, *p)
	}
	if around[0] != 0 || around[2] != 0 {
		t.Errorf("neighbours became %v", around)
	}
}

func FuzzLayoutAgree(f *testing.F) {
	mine := text[order](f)
	for _, s := range []string{
		mine, text[[2][3]inner](f), "struct(8){_ @0+8}", "struct(8){A int8 @7; _ @0+7}", "[99999999999][9999999999]int64",
		"struct(1){A int8 @0; A int8 @0}", strings.Repeat("[1]", 200) + "int8", "struct(4){_ @9223372036854775807+1}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		_, _, _, ab := mem.Agree(stored, mine)
		_, _, _, ba := mem.Agree(mine, stored)
		if ab != ba {
			t.Errorf("agreement of %q depends on the direction", stored)
		}
		if _, _, _, ok := mem.Agree(stored, stored); !ok {
			t.Errorf("%q does not agree with itself", stored)
		}
	})
}
