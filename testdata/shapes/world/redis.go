package world

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// redis answers each command, of RESP 2, after 30 ms with a string.
func redis(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			for in := bufio.NewReader(c); ; {
				if command(in) != nil {
					return
				}
				time.Sleep(30 * time.Millisecond)
				if _, err := io.WriteString(c, "$4\r\nword\r\n"); err != nil {
					return
				}
			}
		}()
	}
}

// command reads an array of strings.
func command(in *bufio.Reader) error {
	var n int
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(strings.TrimSpace(line), "*%d", &n); err != nil {
		return err
	}
	for range 2 * n {
		if _, err := in.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}
