package pool

import (
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/internal/codec"
)

// Results are decoded by whoever takes them, for all that wait. What is the
// user's runs then: it may panic, or end its goroutine, and neither may stop the
// one that takes results.

// decodeRaw decodes the next of encoded. By itself it is for types none of whose
// methods has a say in that.
func decodeRaw[Out any](c *codec.Codec[Out], encoded *elements) (value Out, err error) {
	data, err := encoded.next()
	if err == nil {
		err = c.Decode(data, &value)
	}
	return value, err
}

// decodeOne decodes the next of encoded. A panic of the type's own method is an error.
func decodeOne[Out any](c *codec.Codec[Out], encoded *elements) (value Out, err error) {
	returned := false
	defer func() {
		if !returned {
			err = decodePanic(recover())
		}
	}()
	value, err = decodeRaw(c, encoded)
	returned = true
	return value, err
}

// decodeApart decodes n results and tells use, one after another. It does so in a
// goroutine of its own, and in another one if the type's methods end that.
func decodeApart[Out any](c *codec.Codec[Out], encoded elements, n int, use func(i int, o outcome[Out])) {
	for i := 0; i < n; i++ {
		over := make(chan struct{})
		go func() {
			defer close(over)
			for ; i < n; i++ {
				value, err := decodeOne(c, &encoded)
				use(i, outcome[Out]{value: value, err: err})
			}
		}()
		if <-over; i < n {
			use(i, outcome[Out]{err: errDecodeGoexit})
		}
	}
}

// errDecodeGoexit is the error of a result whose decoding ended its goroutine.
var errDecodeGoexit = errors.New("pool: decoding a result called runtime.Goexit")

// decodePanic is the error of a result whose decoding panicked.
func decodePanic(v any) error { return fmt.Errorf("pool: decoding a result panicked: %v", v) }
