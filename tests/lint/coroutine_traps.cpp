// What script/lint must find (rule: name aggregates and closures before co_await), and what it must let pass.
// Not part of any program: tests/lint_test.py feeds it to the lint. A coroutine type of its own keeps it
// quick.
#include <coroutine>
#include <string>
#include <utility>

struct Task {
    struct promise_type {
        Task get_return_object() { return {}; }
        std::suspend_never initial_suspend() { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
    bool await_ready() const { return true; }
    void await_suspend(std::coroutine_handle<>) const {}
    int await_resume() const { return 0; }
};

struct Request {
    std::string service;
    int port = 0;
};
struct Answer {
    std::string text;
    int value;
};

Task connect(Request);
template <class Handler>
Task call(Handler) {
    co_return;
}
void use(Answer);

Task traps(std::string name) {
    co_await connect({.service = name});                    // trap: aggregate
    co_await connect(Request{name, 1});                     // trap: aggregate
    co_await call([name] { return name.size(); });          // trap: closure
    use(Answer{name, co_await connect(Request(name, 1))});  // trap: co_await inside an aggregate
}

Task safe(std::string name) {
    Request request{.service = name};
    co_await connect(std::move(request));
    const auto closure = [name] { return name.size(); };
    co_await call(closure);
    const int value = co_await connect(Request());
    use(Answer{name, value});
}
