//go:build linux

package process_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

type inner struct {
	Text  string
	Ratio float64
}

// various has a field of every sort that travels.
type various struct {
	N      int
	U      uint8
	Yes    bool
	Text   string
	Bytes  []byte
	List   []inner
	ByName map[string]inner
	ByNum  map[int]string
	Next   *various
	When   time.Time
	For    time.Duration
	Any    any
	Array  [3]int16
	None   *inner
	Left   func() `cbor:"-" json:"-"`
	inner
}

var show = process.Func("show", func(_ context.Context, v various) error {
	return json.NewEncoder(os.Stdout).Encode(v)
})

func TestArgumentsArriveWhole(t *testing.T) {
	v := various{
		N: -5, U: 200, Yes: true, Text: "Grüße\x00", Bytes: []byte{0, 255},
		List:   []inner{{"a", 0.5}, {"b", -1e300}},
		ByName: map[string]inner{"x": {"y", 2}},
		ByNum:  map[int]string{-1: "minus one", 7: "seven"},
		Next:   &various{N: 6, List: []inner{{"deep", 1}}},
		When:   time.Date(2024, 2, 29, 23, 59, 58, 123456789, time.UTC),
		For:    time.Minute,
		Any:    []any{42.5, nil, "hello", map[string]any{"k": 1.5}},
		Array:  [3]int16{1, -2, 3},
		Left:   func() {},
		inner:  inner{Ratio: 7}, // its Text is hidden by the outer one
	}
	out := output(t, show.Command(v))
	var got various
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	v.Left = nil // left out on purpose
	if !reflect.DeepEqual(got, v) {
		t.Errorf("the child got %+v, want %+v", got, v)
	}
}

type big struct {
	Bytes   []byte
	Numbers []int64
	Text    string
}

var sum = process.Func("sum", func(_ context.Context, b big) error {
	var bytes, numbers int64
	for _, x := range b.Bytes {
		bytes += int64(x)
	}
	for _, x := range b.Numbers {
		numbers += x
	}
	_, err := fmt.Print(len(b.Bytes), bytes, len(b.Numbers), numbers, len(b.Text), strings.Count(b.Text, "\xff"))
	return err
})

func TestHugeArguments(t *testing.T) {
	b := big{
		Bytes:   bytes.Repeat([]byte{3}, 10<<20),
		Numbers: make([]int64, 300_000),
		Text:    strings.Repeat("\xff ", 1<<20),
	}
	for i := range b.Numbers {
		b.Numbers[i] = int64(i)
	}
	want := fmt.Sprint(10<<20, 3*10<<20, 300_000, int64(300_000*299_999/2), 2<<20, 1<<20)
	if got := output(t, sum.Command(b)); got != want {
		t.Errorf("the child counts %s, want %s", got, want)
	}
}

// fixed has a fixed layout, so that its memory travels, hidden fields and all.
type fixed struct {
	A uint8
	b uint64
}

var showFixed = process.Func("showFixed", func(_ context.Context, f fixed) error {
	_, err := fmt.Print(f.A, f.b)
	return err
})

var showBytes = process.Func("showBytes", func(_ context.Context, b []byte) error {
	_, err := os.Stdout.Write(b)
	return err
})

func TestRawArguments(t *testing.T) {
	if out := output(t, showFixed.Command(fixed{1, 2})); out != "1 2" {
		t.Errorf("a fixed layout: %q", out)
	}
	if out := output(t, showBytes.Command([]byte("\x00raw"))); out != "\x00raw" {
		t.Errorf("bytes: %q", out)
	}
}

// Types of arguments that cannot travel, or not with what they hold.
type (
	withFunc      struct{ A struct{ F func() } }
	withChan      struct{ C chan int }
	withInterface struct{ R io.Reader }
	withHidden    struct {
		Shown  string
		hidden []int
	}
	onlyHidden   struct{ hidden string }
	withAny      struct{ X any }
	withLoop     struct{ Next *withLoop }
	embedsFile   struct{ *os.File }
	withFileList struct{ Files []*os.File }
	withSegment  struct{ S *shm.Segment }
)

var (
	takesFunc      = process.Func("takesFunc", take[withFunc])
	takesChan      = process.Func("takesChan", take[withChan])
	takesInterface = process.Func("takesInterface", take[withInterface])
	takesHidden    = process.Func("takesHidden", take[withHidden])
	takesHiddenOne = process.Func("takesHiddenOne", take[onlyHidden])
	takesAny       = process.Func("takesAny", take[withAny])
	takesLoop      = process.Func("takesLoop", take[withLoop])
	takesEmbedded  = process.Func("takesEmbedded", take[embedsFile])
	takesFiles     = process.Func("takesFiles", take[withFileList])
	takesSegment   = process.Func("takesSegment", take[withSegment])
)

func take[A any](context.Context, A) error { return nil }

// starting returns a call of f for a table.
func starting[A any](f *process.Function[A], args A) func(context.Context) (*process.Child, error) {
	return func(ctx context.Context) (*process.Child, error) { return f.Start(ctx, args) }
}

// Conformance: PRC-15.
func TestArgumentsThatCannotTravel(t *testing.T) {
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	loop := withLoop{Next: new(withLoop)}
	loop.Next.Next = loop.Next
	list := []any{1, nil}
	list[1] = list
	tests := []struct {
		name  string
		start func(context.Context) (*process.Child, error)
		want  error
		text  string
	}{
		{"func", starting(takesFunc, withFunc{}), shm.ErrType, "A.F"},
		{"chan", starting(takesChan, withChan{}), shm.ErrType, "C"},
		{"interface", starting(takesInterface, withInterface{}), shm.ErrType, "R"},
		{"hidden", starting(takesHidden, withHidden{"x", []int{1}}), fs.ErrInvalid, "hidden: an unexported field"},
		{"only hidden", starting(takesHiddenOne, onlyHidden{"x"}), shm.ErrType, "no exported field"},
		{"any func", starting(takesAny, withAny{func() {}}), fs.ErrInvalid, "X: a func() cannot travel"},
		{"any file", starting(takesAny, withAny{[]any{os.Stdin}}), fs.ErrInvalid, "X[0]: an *os.File in an interface"},
		{"any segment", starting(takesAny, withAny{new(shm.Segment)}), fs.ErrInvalid, "X: a *shm.Segment in an interface"},
		{"loop of pointers", starting(takesLoop, loop), fs.ErrInvalid, "refers to itself"},
		{"loop of slices", starting(takesAny, withAny{list}), fs.ErrInvalid, "refers to itself"},
		{"embedded file", starting(takesEmbedded, embedsFile{os.Stdin}), fs.ErrInvalid, "give the field a name"},
		{"closed file", starting(takesFiles, withFileList{[]*os.File{os.Stdin, closed}}), fs.ErrClosed, ""},
		{"zero segment", starting(takesSegment, withSegment{new(shm.Segment)}), fs.ErrClosed, "S: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaks := noLeaks(t)
			child, err := test.start(t.Context())
			if child != nil || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("Start: %v, %v; want %v and %q", child, err, test.want, test.text)
			}
			if n := len(process.Children()); n != 0 {
				t.Errorf("%d children are left", n)
			}
			leaks()
		})
	}
	if err := takesHidden.Run(deadline(t), withHidden{Shown: "x"}); err != nil {
		t.Errorf("a zero unexported field loses nothing: %v", err)
	}
	if err := takesLoop.Run(deadline(t), withLoop{Next: new(withLoop)}); err != nil {
		t.Errorf("a list without a loop: %v", err)
	}
}

// sour can be encoded, and refuses to be decoded.
type sour struct{ Taste []int }

func (sour) MarshalText() ([]byte, error) { return []byte("sour"), nil }
func (*sour) UnmarshalText([]byte) error  { return errSpecial }

var takesSour = process.Func("takesSour", take[[]sour])

func TestDecodeErrorIsWaits(t *testing.T) {
	cmd, _ := quiet(takesSour.Command([]sour{{}}))
	child, err := cmd.Start(deadline(t))
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	err = child.Wait(deadline(t))
	if e := exitOf(t, err); e.Code != 1 || !errors.Is(err, errSpecial) || !strings.Contains(err.Error(), "decode the argument") {
		t.Errorf("an argument that cannot be decoded: %v", err)
	}
}
