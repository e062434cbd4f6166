package codec_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/mem"
)

type point struct{ X, Y int32 }

type order struct {
	ID    uint64
	Note  string
	Lines []line
	Extra map[string]any
	When  time.Time
	Next  *order
}

type line struct {
	Name string
	N    int
}

type blob []byte

// temperature travels by its own methods, which have pointer receivers.
type temperature struct {
	unit    string
	degrees int8
}

func (t *temperature) AppendBinary(b []byte) ([]byte, error) {
	if t.unit == "" {
		return b, errors.New("no unit")
	}
	return append(append(b, byte(t.degrees)), t.unit...), nil
}

func (t *temperature) UnmarshalBinary(b []byte) error {
	if len(b) < 2 {
		return errors.New("short")
	}
	t.degrees, t.unit = int8(b[0]), string(b[1:])
	return nil
}

func mustFor[T any](t testing.TB) *codec.Codec[T] {
	t.Helper()
	c, err := codec.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trip encodes x and decodes it again.
func trip[T any](t testing.TB, x T) T {
	t.Helper()
	c := mustFor[T](t)
	b, err := c.Append([]byte("prefix"), x)
	if err != nil {
		t.Fatal(err)
	}
	if string(b[:6]) != "prefix" {
		t.Fatalf("Append overwrote what was there: %q", b[:6])
	}
	var y T
	if err := c.Decode(b[6:], &y); err != nil {
		t.Fatal(err)
	}
	return y
}

func sameTrip[T any](t *testing.T, x T) {
	t.Helper()
	if y := trip(t, x); !reflect.DeepEqual(x, y) {
		t.Errorf("%T: %#v came back as %#v", x, x, y)
	}
}

func TestTrips(t *testing.T) {
	sameTrip(t, 42)
	sameTrip(t, math.Copysign(0, -1))
	sameTrip(t, true)
	sameTrip(t, point{1, -2})
	sameTrip(t, [3]complex64{1i, 2, 3})
	sameTrip(t, struct{}{})
	sameTrip(t, "text \xff that is no UTF-8")
	sameTrip(t, []byte{0, 1, 2})
	sameTrip(t, []byte{})
	sameTrip(t, blob("abc"))
	sameTrip(t, temperature{"C", -7})
	sameTrip(t, &temperature{"F", 99})
	sameTrip(t, url.URL{Scheme: "https", Host: "example.org", Path: "/x"})
	sameTrip(t, netip.MustParseAddr("192.0.2.1"))
	sameTrip(t, []string{"a", "\xfe", ""})
	sameTrip(t, []int(nil))
	sameTrip(t, map[point]string{{1, 2}: "a"})
	sameTrip(t, map[int][]byte{7: {1}})
	sameTrip(t, (*int)(nil))
	sameTrip(t, any(nil))
	sameTrip(t, make([]uint16, 200_000)) // more than the encoder's own limit
	sameTrip(t, order{
		ID: math.MaxUint64, Note: "x", Lines: []line{{"a", 1}, {"b", -1}},
		Extra: map[string]any{"k": []any{int64(1), "s", nil, 2.5, map[string]any{"deep": true}, map[any]any{int64(3): "three"}}},
		When:  time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC), Next: &order{Note: "next"},
	})
}

func TestAnyComesBackAsExpected(t *testing.T) {
	if got := fmt.Sprint(trip[any](t, []any{42, nil, "hello"})); got != "[42 <nil> hello]" {
		t.Errorf("got %s", got)
	}
	now := time.Now().Round(0)
	for _, tt := range []struct{ in, want any }{
		{42, int64(42)},
		{uint8(1), int64(1)},
		{-1, int64(-1)},
		{float32(1.5), 1.5},
		{[]byte("b"), []byte("b")},
		{map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		{map[string]int{}, map[string]any{}},
		{map[int]string{1: "a"}, map[any]any{int64(1): "a"}},
		{line{"n", 2}, map[string]any{"Name": "n", "N": int64(2)}},
		{[]string{"a"}, []any{"a"}},
		{uint64(math.MaxUint64), new(big.Int).SetUint64(math.MaxUint64)},
	} {
		if got := trip(t, tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%#v came back as %#v, want %#v", tt.in, got, tt.want)
		}
		if got := trip(t, struct{ V []any }{[]any{tt.in}}); !reflect.DeepEqual(got.V[0], tt.want) {
			t.Errorf("%#v in a field came back as %#v, want %#v", tt.in, got.V[0], tt.want)
		}
	}
	if got, ok := trip[any](t, now).(time.Time); !ok || !got.Equal(now) {
		t.Errorf("%v came back as %v", now, got)
	}
}

func TestDeepListTravels(t *testing.T) {
	var head *order
	for range 2000 {
		head = &order{Next: head}
	}
	n := 0
	for o := trip(t, head); o != nil; o = o.Next {
		n++
	}
	if n != 2000 {
		t.Errorf("%d of 2000 came back", n)
	}
}

func TestNames(t *testing.T) {
	for name, got := range map[string]string{
		"struct(8){X int32 @0; Y int32 @4}": mustFor[point](t).Name(),
		"bytes":                             mustFor[blob](t).Name(),
		"string":                            mustFor[string](t).Name(),
		"binary":                            mustFor[temperature](t).Name(),
		"cbor":                              mustFor[order](t).Name(),
	} {
		if got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
}

func TestRefused(t *testing.T) {
	type hidden struct{ b string } //nolint:unused // it is there to be refused
	check := func(err error, path string) {
		t.Helper()
		var e *mem.LayoutError
		if !errors.As(err, &e) || e.Path != path {
			t.Errorf("got %v, want a LayoutError at %q", err, path)
		}
	}
	_, err := codec.For[chan int]()
	check(err, "")
	_, err = codec.For[struct {
		A string
		B []func()
	}]()
	check(err, "B[]")
	_, err = codec.For[map[string]error]()
	check(err, "[]")
	_, err = codec.For[struct{ S struct{ H *hidden } }]()
	check(err, "S.H")
	_, err = codec.For[struct {
		Name string
		Mu   sync.Mutex
	}]()
	check(err, "Mu")
	_, err = codec.For[struct {
		Name string
		Z    complex128
	}]()
	check(err, "Z")
	if _, err := codec.For[struct {
		Name string
		H    *hidden
	}](reflect.TypeFor[hidden]()); err != nil {
		t.Errorf("exempt type: %v", err)
	}
	if _, err := codec.For[struct {
		Name string
		F    func() `cbor:"-"`
	}](); err != nil {
		t.Errorf("skipped field: %v", err)
	}
}

func TestErrors(t *testing.T) {
	buf := []byte("kept")
	if b, err := mustFor[temperature](t).Append(buf, temperature{}); err == nil || string(b) != "kept" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := mustFor[*temperature](t).Append(nil, nil); err == nil {
		t.Error("a nil pointer was encoded by its methods")
	}
	if _, err := mustFor[any](t).Append(nil, make(chan int)); err == nil {
		t.Error("a chan was encoded")
	}
	var p point
	if err := mustFor[point](t).Decode(make([]byte, 7), &p); err == nil {
		t.Error("7 bytes were decoded as a point")
	}
	var o order
	if err := mustFor[order](t).Decode([]byte{0xff, 1, 2}, &o); err == nil {
		t.Error("garbage was decoded")
	}
}

func TestBoolsAreNormalized(t *testing.T) {
	type flags struct {
		N  int32
		On [3]bool
	}
	var f flags
	if err := mustFor[flags](t).Decode([]byte{1, 0, 0, 0, 0, 2, 255, 9}, &f); err != nil {
		t.Fatal(err)
	}
	if on := mem.BytesOf(&f.On); on[0] != 0 || on[1] != 1 || on[2] != 1 {
		t.Errorf("bools are %v", on)
	}
}

func TestDecodeForgetsWhatWasThere(t *testing.T) {
	c := mustFor[map[string]int](t)
	b, err := c.Append(nil, map[string]int{"new": 1})
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]int{"old": 1}
	if err := c.Decode(b, &m); err != nil || len(m) != 1 || m["new"] != 1 {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestRawAllocatesNothing(t *testing.T) {
	points, blobs, texts := mustFor[point](t), mustFor[blob](t), mustFor[string](t)
	buf := make([]byte, 0, 64)
	sum := 0
	allocs := testing.AllocsPerRun(100, func() {
		p, b, s := point{1, 2}, blob("abc"), "text"
		sum += len(points.View(&p)) + len(blobs.View(&b)) + len(texts.View(&s))
		out, err := points.Append(buf, p)
		if err != nil || points.Decode(out, &p) != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if sum == 0 {
		t.Error("nothing was viewed")
	}
}

func FuzzDecode(f *testing.F) {
	orders, anys := mustFor[order](f), mustFor[any](f)
	for _, x := range []any{42, []any{1, nil}, map[any]any{1: 2}, order{Note: "x", When: time.Unix(1, 2)}, time.Unix(5, 0), big.NewInt(-5)} {
		b, err := anys.Append(nil, x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	temps, points := mustFor[temperature](f), mustFor[point](f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var o order
		if orders.Decode(data, &o) == nil {
			if _, err := orders.Append(nil, o); err != nil && o.When.IsZero() {
				t.Errorf("what was decoded cannot be encoded: %v", err)
			}
		}
		var a any
		if anys.Decode(data, &a) == nil {
			_ = fmt.Sprint(a)
		}
		var p point
		if err := points.Decode(data, &p); (err == nil) != (len(data) == 8) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
		var c temperature
		_ = temps.Decode(data, &c)
	})
}
