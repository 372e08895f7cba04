import { useState } from "preact/hooks";
import { sessionProblem, signIn } from "../api/request.ts";
import { visibleText } from "../model/visible_text.ts";

export function SignInView() {
  const [token, setToken] = useState("");
  const problem = sessionProblem.value;
  return (
    <main class="sign-in">
      <form
        class="card form"
        onSubmit={(event) => {
          event.preventDefault();
          void signIn(token.trim());
        }}
      >
        <h1>Penstock</h1>
        <p class="hint">
          This server asks for a token. It is kept in this tab until you close it, and the page can
          do what the token can.
        </p>
        <label class="field">
          <span>Token</span>
          <input
            type="password"
            required
            autofocus
            class="mono"
            autocomplete="off"
            spellcheck={false}
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        {problem !== null && <p class="form-error" role="alert">{visibleText(problem, 300)}</p>}
        <button type="submit" class="primary" disabled={token.trim() === ""}>
          Open
        </button>
        <p class="dim small">
          No token? An operator makes one with <code>penstock token create</code>.
        </p>
      </form>
    </main>
  );
}
