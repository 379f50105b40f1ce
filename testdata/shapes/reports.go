package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
	"github.com/mayfly-profiler/mayfly/testdata/shapes/world"
)

// reports is the same service on every framework: items are quick, and of the reports one is made at
// a time.
type reports struct {
	mu     sync.Mutex
	client *http.Client
	e      *env
}

func newReports(e *env) *reports { return &reports{client: client(), e: e} }

//go:noinline
func (s *reports) item(ctx context.Context) error {
	_, err := ask(ctx, s.client, s.e.url("http", 5))
	return err
}

//go:noinline
func (s *reports) report(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collect(ctx)
}

//go:noinline
func (s *reports) collect(ctx context.Context) error {
	_, err := ask(ctx, s.client, s.e.url("http", 80))
	return err
}

func (s *reports) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) { reply(w, s.item(r.Context())) })
	mux.HandleFunc("GET /reports/{id}", func(w http.ResponseWriter, r *http.Request) { reply(w, s.report(r.Context())) })
	return mux
}

func onNetHTTP(e *env, l net.Listener) error { return http.Serve(l, newReports(e).handler()) }

// onHTTP2 speaks HTTP/2 with whoever wants it.
func onHTTP2(e *env, l net.Listener) error {
	cert, err := world.Certificate()
	run.Check(err)
	s := &http.Server{Handler: newReports(e).handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	return s.ServeTLS(l, "", "")
}

func onGin(e *env, l net.Listener) error {
	s := newReports(e)
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(gin.Recovery())
	g.GET("/items/:id", func(c *gin.Context) { reply(c.Writer, s.item(c.Request.Context())) })
	g.GET("/reports/:id", func(c *gin.Context) { reply(c.Writer, s.report(c.Request.Context())) })
	return http.Serve(l, g)
}

func onEcho(e *env, l net.Listener) error {
	s := newReports(e)
	x := echo.New()
	x.GET("/items/:id", func(c echo.Context) error { return echoed(c, s.item(c.Request().Context())) })
	x.GET("/reports/:id", func(c echo.Context) error { return echoed(c, s.report(c.Request().Context())) })
	return http.Serve(l, x)
}

func echoed(c echo.Context, err error) error {
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, "done")
}

func onChi(e *env, l net.Listener) error {
	s := newReports(e)
	c := chi.NewRouter()
	c.Get("/items/{id}", func(w http.ResponseWriter, r *http.Request) { reply(w, s.item(r.Context())) })
	c.Get("/reports/{id}", func(w http.ResponseWriter, r *http.Request) { reply(w, s.report(r.Context())) })
	return http.Serve(l, c)
}

func onFastHTTP(e *env, l net.Listener) error {
	s := newReports(e)
	return fasthttp.Serve(l, func(c *fasthttp.RequestCtx) {
		do := s.item
		if string(c.Path()) == "/reports/7" {
			do = s.report
		}
		if err := do(context.Background()); err != nil {
			c.Error(err.Error(), http.StatusBadGateway)
		}
	})
}

func onFiber(e *env, l net.Listener) error {
	s := newReports(e)
	f := fiber.New(fiber.Config{DisableStartupMessage: true})
	f.Get("/items/:id", func(c *fiber.Ctx) error { return s.item(c.Context()) })
	f.Get("/reports/:id", func(c *fiber.Ctx) error { return s.report(c.Context()) })
	return f.Listener(l)
}

// health is the service as grpc-go serves it; the name of the health check is what is asked for.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	s *reports
}

func (h *health) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	do := h.s.item
	if r.Service == "/reports/7" {
		do = h.s.report
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, do(ctx)
}

// Watch says every 100 ms that all is well, for as long as somebody listens.
func (h *health) Watch(_ *grpc_health_v1.HealthCheckRequest, out grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-out.Context().Done():
			return out.Context().Err()
		case <-tick.C:
			if err := out.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}); err != nil {
				return err
			}
		}
	}
}

func onGRPC(e *env, l net.Listener) error {
	g := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(g, &health{s: newReports(e)})
	return g.Serve(l)
}

// toItself calls its own server for the reports.
func toItself(e *env, l net.Listener) error {
	s := newReports(e)
	mux := http.NewServeMux()
	mux.Handle("/", s.handler())
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { reply(w, s.gateway(r.Context(), isLarge(r))) })
	return http.Serve(l, mux)
}

//go:noinline
func (s *reports) gateway(ctx context.Context, large bool) error {
	path := "/items/7"
	if large {
		path = "/reports/7"
	}
	_, err := ask(ctx, s.client, fmt.Sprintf("http://%s%s", s.e.addr, path))
	return err
}
