package page

import (
	"bytes"
	"encoding/binary"
)

// arrays collects columns of numbers, one behind the other (encode.go).
type arrays struct {
	list []headArray
	data bytes.Buffer
	one  []byte
}

// headArray is what the head says of an array.
type headArray struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func put[N int | int32 | int64](a *arrays, name string, values []N) {
	for _, v := range values {
		a.one = binary.AppendVarint(a.one[:0], int64(v))
		a.data.Write(a.one)
	}
	a.list = append(a.list, headArray{name, len(values)})
}
