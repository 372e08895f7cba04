/** A stream's name: never more than text, its last segment the brightest. */
import { visibleText } from "../model/visible_text.ts";
import { hrefOf, navigate, type Route } from "../router.ts";
import type { ComponentChildren } from "preact";

export function PathText({ path }: { readonly path: string }) {
  const slash = path.lastIndexOf("/") + 1;
  return (
    <bdi class="path" dir="ltr">
      {slash > 0 && <span class="path-folder">{visibleText(path.slice(0, slash))}</span>}
      <span class="path-name">{visibleText(path.slice(slash))}</span>
    </bdi>
  );
}

export function Link({ to, children, class: name, title }: {
  readonly to: Route;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
}) {
  return (
    <a
      href={hrefOf(to)}
      class={name}
      title={title}
      onClick={(event) => {
        if (
          event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0
        ) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}

export function StreamLink({ path }: { readonly path: string }) {
  return (
    <Link
      to={{ view: "stream", path }}
      class="stream-link"
      title={visibleText(path)}
    >
      <PathText path={path} />
    </Link>
  );
}

export function Label(
  { name, value }: { readonly name: string; readonly value: string },
) {
  return (
    <bdi class="label" dir="ltr" title={visibleText(`${name}: ${value}`)}>
      <span>{visibleText(name)}</span>
      {visibleText(value, 60)}
    </bdi>
  );
}
