package pool_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
)

// touchy is text, of which some panics when it is encoded.
type touchy struct{ text string }

func (x touchy) MarshalBinary() ([]byte, error) {
	if x.text == "panic" {
		panic("not this one")
	}
	return []byte(x.text), nil
}

func (x *touchy) UnmarshalBinary(b []byte) error {
	x.text = string(b)
	return nil
}

// obeys does what it is told, as behave does.
var obeys = pool.Func("obeys", func(ctx context.Context, x touchy) (string, error) { return do(ctx, x.text) })

// A Map that the user's own code ends, in the goroutine that called it, leaves no
// task running.
func TestMapThatIsLeftStopsItsTasks(t *testing.T) {
	for name, mapping := range map[string]func(context.Context, *pool.Pool){
		"report panics": func(ctx context.Context, p *pool.Pool) {
			_, _ = behave.MapProgress(ctx, p, []string{"well", "wait", "wait"}, func(int, int) { panic("stop") })
		},
		"report ends its goroutine": func(ctx context.Context, p *pool.Pool) {
			_, _ = behave.MapProgress(ctx, p, []string{"well", "wait", "wait"}, func(int, int) { runtime.Goexit() })
		},
		"encoding panics": func(ctx context.Context, p *pool.Pool) {
			_, _ = obeys.Map(ctx, p, []touchy{{"wait"}, {"panic"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := deadline(t)
			p := mustNew(t, &pool.Options{Workers: 1, Chunk: 1, Grace: time.Minute})
			left := make(chan bool)
			go func() {
				returned := false
				defer func() { _ = recover(); left <- !returned }()
				mapping(context.WithoutCancel(ctx), p)
				returned = true
			}()
			if !<-left {
				t.Error("it returned")
			}
			// The only worker has nothing else to do.
			if x, err := square.Call(ctx, p, 3); err != nil || x != 9 {
				t.Error(x, err)
			}
		})
	}
}
